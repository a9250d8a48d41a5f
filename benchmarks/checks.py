"""Count how often the checks of a trajectory fire where nothing is wrong.

    python benchmarks/checks.py RUN [RUN …]

Each corrected trajectory of the runs, each smoothed one beside what it was made from, and each reference solution as
the continuation of a restart, is put before every check by itself. What fires is printed for people to judge. Only a
run that was made before a check existed shows its false alarms: later ones have set aside what it rejects.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from lemma import checks
from lemma.errors import Rejected
from lemma.records import Trajectory


def trajectories(run: Path, stage: str) -> list[Trajectory]:
    files = sorted((run / stage).glob("part-*.jsonl"))
    return [
        Trajectory.model_validate_json(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()
    ]


def of_one(one: Trajectory) -> Iterator[Callable[[], None]]:
    question = one.mistake.problem.question
    yield partial(checks.names_the_error, one)
    yield partial(checks.claims_no_error, one)
    yield partial(checks.computes_nothing_false, one)
    if one.strategy == "fix_continue":
        yield partial(checks.goes_on, one)
    if one.strategy == "fresh_restart":
        yield partial(checks.starts_over, one)
        yield partial(checks.takes_another_path, one)
    for part in (one.reflection, one.continuation):
        yield partial(checks.speaks_its_language, part, question)
        yield partial(checks.is_readable, part, question)


def of_pair(smoothed: Trajectory, source: Trajectory) -> Iterator[Callable[[], None]]:
    yield from of_one(smoothed)
    yield partial(checks.keeps_order, smoothed, source)
    yield partial(checks.keeps_numbers, smoothed, source)


def count(title: str, each: Sequence[Iterator[Callable[[], None]]]) -> None:
    fired: Counter[str] = Counter()
    num_alarmed = 0
    for calls in each:
        reasons = []
        for call in calls:
            try:
                call()
            except Rejected as error:
                reasons.append(error.reason)
                print(f"  {error}")
        fired.update(set(reasons))
        num_alarmed += bool(reasons)
    share = num_alarmed / len(each) if each else 0
    print(f"{title}: {num_alarmed} of {len(each)} = {share:.2%}; {dict(fired) or 'no check fired'}")


def restarted(one: Trajectory) -> Trajectory:
    """The reference solution, word for word, as the new start."""
    problem = one.mistake.problem
    continuation = "\n" + problem.reference_solution.replace("#### ", "The answer is: ")
    return one.model_copy(
        update={"continuation": continuation, "text": one.prefix + one.reflection + continuation, "is_smoothed": False}
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", metavar="RUN", type=Path, nargs="+")
    for run in parser.parse_args().runs:
        corrected = trajectories(run, "correct")
        count(f"{run} corrected", [of_one(one) for one in corrected])
        pairs = zip(trajectories(run, "smooth"), corrected, strict=False)  # kept in the same order by `rules`
        count(f"{run} smoothed", [of_pair(*pair) for pair in pairs if pair[0].mistake.id == pair[1].mistake.id])
        fresh = [one for one in corrected if one.strategy == "fresh_restart"]
        count(f"{run} references", [of_one(restarted(one)) for one in fresh])


if __name__ == "__main__":
    main()
