"""Looking at single records in the terminal: drawn by a seed or named by an id, with all that they came from."""

from lemma.show.command import show
from lemma.show.finding import Filters

__all__ = ["Filters", "show"]
