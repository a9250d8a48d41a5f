"""lemma: learning from errors for mathematical advancement (arXiv 2503.17439)."""
