"""Compare texts, with each other and with values that they may stand for.

Example: ``red apples`` beside ``apple`` is undecided, ``Tuesday`` beside ``Monday`` different.
"""

from __future__ import annotations

from lemma.answers.values import Items, Scalar, Value


def same_words(left: tuple[str, ...], right: tuple[str, ...]) -> bool | None:
    """Compare two texts' words; undecided where one holds all words of the other."""
    if left == right:
        return True
    if len(left) == len(right) == 1 and len(left[0]) == 2 and sorted(left[0]) == sorted(right[0]):
        return None  # "AB" and "BA" are one segment, but two names
    one, other = _singular(left), _singular(right)
    return None if one <= other or other <= one else False


def words_and_value(words: tuple[str, ...], other: Value) -> bool | None:
    """Compare a text with a value of another kind that was read."""
    if isinstance(other, Items) and not other.members:
        return None  # "no solution" may be the empty set
    if isinstance(other, Scalar) and other.letter:
        return words == (other.letter.casefold(),)
    told = {word for word in words if any(c.isdigit() for c in word)}
    if not told:
        return False
    value = other.rational if isinstance(other, Scalar) else None
    return None if value is None or str(value) in told else False


def _singular(words: tuple[str, ...]) -> set[str]:
    return {word[:-1] if len(word) > 3 and word.endswith("s") else word for word in words}
