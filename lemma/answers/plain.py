"""Plain numbers: what GSM8K's answers are, and most of MATH's. Read here, before anything larger is imported or built.

Example: ``-$1,234.50`` is ``Fraction(-2469, 2)``.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache

# The guard: what is longer is not read, and kept in no cache.
MAX_CHARS = 2_500
PLAIN_NUMBER = re.compile(r"([+-]?)\s*(\$?)\s*((?:\d{1,3}(?:,\d{3})+|\d{1,400})(?:\.\d{0,400})?|\.\d{1,400})")


@lru_cache(maxsize=4096)
def read_plain(text: str) -> int | Fraction | None:
    """Read a plain number, as GSM8K's answers are, with or without a dollar sign; None for all else."""
    found = PLAIN_NUMBER.fullmatch(text)
    if not found:
        return None
    digits = found.group(1) + found.group(3).replace(",", "")
    return Fraction(digits + "0" if digits.endswith(".") else digits) if "." in digits else int(digits)
