"""What every kept record guarantees: one function and one reason each, pure, in time linear in the text.

========================  =================================================================================
`reaches_answer`          the final answer equals the reference: decided, not guessed (1)
`misses_answer`           a mistake's answer differs from the reference, decided likewise (2)
`keeps_prefix`            the text begins with the mistake's own, through the wrong step (3)
`error_still_stands`      smoothing the whole text: the wrong claim still stands before the reflection (3)
`has_reflection`          words stand between error and correction (4)
`repeats_no_prefix`       the correction goes on, it doesn't begin again (4)
`repeats_no_error`        the wrong step doesn't stand again in the continuation (4)
`has_no_tags`             no tags or headings of the prompts (5)
`leaks_no_reference`      no word of ground truth, reference solution, previous attempt (5)
`is_short_enough`         within `checks.max_chars` (6)
`has_no_loop`             it does not repeat itself (6)
`names_the_error`         the reflection speaks of the matter (4)
`claims_no_error`         nor does its claim in another spelling (4)
`computes_nothing_false`  no new false equation stands in the correction (4)
`goes_on`                 Fix & Continue does not start over (4)
`starts_over`             Fresh & Restart computes from the question (4)
`takes_another_path`      Fresh & Restart does not follow the dropped path word for word (4)
`keeps_numbers`           smoothing keeps the correction's numbers (4)
`keeps_order`             smoothing keeps error, reflection, correction in order (4)
`is_readable`             words, not noise (6)
`speaks_its_language`     the language is the question's (6)
========================  =================================================================================

The numbers are those of the guarantees in the documentation; the seventh and eighth (provenance, contamination) hold
by construction of the records and at reading.
"""

from __future__ import annotations

from lemma.checks.agreement import agrees_with_reference
from lemma.checks.claims import claims_no_error, computes_nothing_false, names_the_error
from lemma.checks.guarantees import (
    announces_no_error,
    before_wrong_step,
    error_still_stands,
    has_no_loop,
    has_no_tags,
    has_reflection,
    is_clean,
    is_short_enough,
    keeps_prefix,
    leaks_no_reference,
    misses_answer,
    reaches_answer,
    repeats_no_error,
    repeats_no_prefix,
    wrong_step,
)
from lemma.checks.language import is_readable, speaks_its_language
from lemma.checks.paths import goes_on, starts_over, takes_another_path
from lemma.checks.smoothing import keeps_numbers, keeps_order
from lemma.records import Trajectory

__all__ = [
    "agrees_with_reference",
    "announces_no_error",
    "before_wrong_step",
    "check_smoothed",
    "check_trajectory",
    "claims_no_error",
    "computes_nothing_false",
    "error_still_stands",
    "goes_on",
    "has_no_loop",
    "has_no_tags",
    "has_reflection",
    "is_clean",
    "is_readable",
    "is_short_enough",
    "keeps_numbers",
    "keeps_order",
    "keeps_prefix",
    "leaks_no_reference",
    "misses_answer",
    "names_the_error",
    "reaches_answer",
    "repeats_no_error",
    "repeats_no_prefix",
    "speaks_its_language",
    "starts_over",
    "takes_another_path",
    "wrong_step",
]


def check_trajectory(trajectory: Trajectory, max_chars: int, *, is_prefix_free: bool = False) -> None:
    """All guarantees that a trajectory can be asked for, the cheap ones first.

    Args:
        trajectory: a corrected or smoothed one.
        max_chars: `checks.max_chars`.
        is_prefix_free: the prefix may be in other words (smoothing the whole text).

    Raises:
        Rejected: with the reason of the first that fails.
    """
    problem = trajectory.mistake.problem
    if is_prefix_free:
        error_still_stands(trajectory.prefix, trajectory.mistake)
    else:
        keeps_prefix(trajectory)
    is_short_enough(trajectory.text, max_chars)
    has_reflection(trajectory.reflection)
    if trajectory.strategy == "fix_continue":
        repeats_no_prefix(trajectory)
        goes_on(trajectory)
    if trajectory.strategy == "fresh_restart":
        takes_another_path(trajectory)
        starts_over(trajectory)
    repeats_no_error(trajectory)
    new = trajectory.reflection + trajectory.continuation
    if is_prefix_free:
        new = trajectory.text
    has_no_tags(new, problem.question)
    leaks_no_reference(new, problem.question)
    has_no_loop(trajectory.text)
    for part in (trajectory.reflection, trajectory.continuation):
        speaks_its_language(part, problem.question)
        is_readable(part, problem.question)
    names_the_error(trajectory)
    claims_no_error(trajectory)
    computes_nothing_false(trajectory)
    reaches_answer(trajectory.text, problem.answer)


def check_smoothed(smoothed: Trajectory, source: Trajectory, max_chars: int, *, is_prefix_free: bool = False) -> None:
    """All guarantees of a smoothed trajectory, with those that only the one it was made from can tell.

    Args:
        smoothed: in its new words.
        source: as it was corrected.
        max_chars: `checks.max_chars`.
        is_prefix_free: as for `check_trajectory`.

    Raises:
        Rejected: with the reason of the first that fails.
    """
    check_trajectory(smoothed, max_chars, is_prefix_free=is_prefix_free)
    keeps_order(smoothed, source)
    keeps_numbers(smoothed, source)
