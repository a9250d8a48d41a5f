"""lemma: learning from errors for mathematical advancement (arXiv 2503.17439)."""

__version__ = "0.1.0"
