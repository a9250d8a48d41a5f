"""Compare two values: by exact arithmetic here, by a worker process where that does not settle it.

Within this package a comparison is true, false, or None where it is undecided.

Example: ``explain_pair("1/2", "50%")`` says ``equal``, decided by the ``exact`` layer.
"""

from __future__ import annotations

from functools import lru_cache

from lemma.answers.comparing.describing import describe
from lemma.answers.comparing.formulas import DEADLINE_S, Formulas
from lemma.answers.comparing.kinds import Comparison
from lemma.answers.exact.polynomials import UndefinedError, UnsettledError
from lemma.answers.plain import MAX_CHARS
from lemma.answers.reading import canonical, read
from lemma.answers.verdict import Explanation, Verdict
from lemma.sandbox import Sandbox

MEMORY_MB = 512

_VERDICTS = {True: Verdict.EQUAL, False: Verdict.DIFFERENT, None: Verdict.UNDECIDED}


@lru_cache(maxsize=1)
def default_sandbox() -> Sandbox:
    """The workers that ``compare`` uses, shared by all threads; started by the first pair that needs one."""
    return Sandbox("lemma.answers.algebra:settle", deadline_s=DEADLINE_S, memory_mb=MEMORY_MB)


def settle(prediction: str, reference: str, sandbox: Sandbox | None = None) -> Verdict:
    """Compare two answers of any kind; ``compare`` without its short cut for plain numbers. Raises nothing."""
    return _settle(prediction, reference, sandbox)[0]


def explain_pair(prediction: str, reference: str, sandbox: Sandbox | None = None) -> Explanation:
    """Compare two answers as ``compare`` does, and tell how each was read and which layer decided. Raises nothing."""
    verdict, layer = _settle(prediction, reference, sandbox)
    return Explanation(
        verdict, layer, *(describe(read(side) if len(side) <= MAX_CHARS else None) for side in (prediction, reference))
    )


def _settle(prediction: str, reference: str, sandbox: Sandbox | None) -> tuple[Verdict, str]:
    """The verdict and the layer that it came from."""
    if len(prediction) > MAX_CHARS or len(reference) > MAX_CHARS:
        return Verdict.UNDECIDED, "guard"
    left, right = read(prediction), read(reference)
    if left is None or right is None:
        return Verdict.UNDECIDED, "guard"
    formulas = Formulas(default_sandbox if sandbox is None else lambda: sandbox)
    try:
        same = Comparison(formulas).same(left, right)
    except (UnsettledError, UndefinedError, RecursionError):
        same = None
    if same is not True and canonical(prediction) == canonical(reference):
        same = True
    return _VERDICTS[same], "algebra" if formulas.has_asked else "exact"
