"""The statistics of an audit: label error with its interval, agreement between annotators."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean
from typing import Final

DISPUTED: Final = "disputed"
_Z: Final = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True, slots=True)
class Counts:
    """How a claim was judged, one verdict a row."""

    yes: int = 0
    no: int = 0
    unsure: int = 0
    disputed: int = 0
    """As many annotators said `yes` as said `no`: decided by nobody yet."""

    @property
    def error(self) -> float | None:
        """Share of `no` among the decided, the others left out; None where nothing was decided."""
        decided = self.yes + self.no
        return self.no / decided if decided else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Around `error`, 95 %; None where nothing was decided."""
        return wilson(self.no, self.yes + self.no) if self.yes + self.no else None


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far annotators say the same about a claim."""

    rows: int
    """Rows that at least two of them judged."""
    share: float
    """Of the rows two judged, those about which they say the same; the mean over pairs."""
    kappa: float | None
    """Cohen's, the mean over pairs; None where chance alone gives full agreement, so that it is undefined."""


@dataclass(frozen=True, slots=True)
class AuditFigures:
    """What an audit found, without any name: what the dataset card and `lemma status` show."""

    rows: int
    """Rows about which at least one verdict counts."""
    annotators: int
    claims: Mapping[str, Counts]
    """One of `CLAIMS` → its counts."""
    whole: Counts
    """Rows judged in full: `yes` where all five claims hold, `no` where one does not."""
    alone: Mapping[str, tuple[float, float]]
    """Claim → the lowest and the highest label error that an annotator alone finds; empty for one annotator."""
    agreement: Mapping[str, Agreement]
    """Claim → agreement; empty where no row was judged twice."""
    outdated: int
    """Verdicts about rows that the run no longer has as they were shown; they count nowhere."""


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Wilson's score interval for a proportion, 95 % (Wilson 1927; NIST Engineering Statistics Handbook 7.2.4.1).

    Args:
        successes: 0 to `trials`.
        trials: at least 1.
    """
    share = successes / trials
    scale = 1 + _Z**2 / trials
    middle = (share + _Z**2 / (2 * trials)) / scale
    half = _Z * math.sqrt(share * (1 - share) / trials + _Z**2 / (4 * trials**2)) / scale
    # the ends are exact there, and rounding must not leave 1e-17 of them
    low = 0.0 if successes == 0 else middle - half
    return low, 1.0 if successes == trials else middle + half


def consensus(verdicts: Sequence[str]) -> str:
    """What most annotators said; in a tie `disputed` between `yes` and `no`, else `unsure`."""
    counts = Counter(verdicts)
    most = [said for said, count in counts.items() if count == max(counts.values())]
    if len(most) == 1:
        return most[0]
    # a claim that half of them found false must not pass as one that nobody could decide
    return DISPUTED if {"yes", "no"} <= set(most) else "unsure"


def cohens_kappa(pairs: Sequence[tuple[str, str]]) -> float | None:
    """Cohen's kappa (1960) of two annotators, unweighted; None where it is undefined.

    Args:
        pairs: what both said about each row, at least one.
    """
    observed = sum(one == other for one, other in pairs) / len(pairs)
    firsts, seconds = Counter(one for one, _ in pairs), Counter(other for _, other in pairs)
    chance = sum(count * seconds[said] for said, count in firsts.items())
    if chance == len(pairs) ** 2:  # in whole numbers: both always said one and the same
        return None
    expected = chance / len(pairs) ** 2
    return (observed - expected) / (1 - expected)


def agreement(verdicts: Mapping[str, Mapping[str, str]]) -> Agreement | None:
    """Agreement about one claim: for two annotators the share and Cohen's kappa, for more their means over all pairs.

    The mean over pairs is Light's kappa (Light 1971). A pair counts with the rows that both judged, and not at all
    where there are none (or, for kappa, where it is undefined).

    Args:
        verdicts: annotator → row → what was said.

    Returns:
        None where no row was judged twice.
    """
    shares: list[float] = []
    kappas: list[float] = []
    rows: set[str] = set()
    for one, other in itertools.combinations(verdicts.values(), 2):
        both = sorted(one.keys() & other.keys())
        if not both:
            continue
        rows.update(both)
        pairs = [(one[row], other[row]) for row in both]
        shares.append(sum(first == second for first, second in pairs) / len(pairs))
        kappa = cohens_kappa(pairs)
        if kappa is not None:
            kappas.append(kappa)
    if not shares:
        return None
    return Agreement(len(rows), fmean(shares), fmean(kappas) if kappas else None)
