r"""Measure the answer checker beside math-verify: same pairs, one run, one process each.

    python benchmarks/answers.py --data DATA

The mixes: *gsm8k* and *math* are the answers of real model samples (``student/*.jsonl`` under the data folder,
every sample, as they come) against the references; *labelled* are the pairs of
``tests/fixtures/answers/pairs.jsonl``, per split and source. math-verify is used as its documentation advises:
both sides in dollar signs, LaTeX and plain expressions, its own time limits, in the main thread. Undecided
counts as not equal, for both. Labels of the real pairs are the source's flags, which are themselves computed
and not always right: only speed is read off them.

``--leaks N`` checks N pairs in a row instead and prints memory, open files and processes as it goes.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import platform
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from lemma.answers import answers_equal, compare, extract_answer
from lemma.answers.comparing import default_sandbox
from lemma.answers.plain import read_plain
from lemma.answers.reading import read

_FIXTURES = Path(__file__).resolve().parent.parent / "tests" / "fixtures" / "answers"
Check = Callable[[str, str], bool]


@dataclass
class Tally:
    """Outcomes and times of one checker on one mix."""

    accepted: dict[bool, int] = field(default_factory=lambda: {True: 0, False: 0})
    rejected: dict[bool, int] = field(default_factory=lambda: {True: 0, False: 0})
    times_s: list[float] = field(default_factory=list)

    def line(self, name: str) -> str:
        """One row of the report."""
        times = sorted(self.times_s)
        count = len(times)
        equal, different = (self.accepted[label] + self.rejected[label] for label in (True, False))
        right = self.accepted[True] + self.rejected[False]
        return (
            f"{name:<34}{count:>6}  {right / count:>7.2%}  {self.accepted[False] / max(different, 1):>7.2%}  "
            f"{self.rejected[True] / max(equal, 1):>7.2%}  {count / sum(times):>10,.0f}  "
            f"{times[count // 2] * 1e6:>9,.0f}  {times[int(count * 0.99)] * 1e3:>8.2f}  {times[-1] * 1e3:>8.1f}"
        )


def ours(prediction: str, reference: str) -> bool:
    return answers_equal(prediction, reference)


def math_verify() -> Check:
    from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse, verify

    logging.disable(logging.CRITICAL)
    targets = (LatexExtractionConfig(boxed_match_priority=0), ExprExtractionConfig())

    def dressed(answer: str) -> str:
        return answer if "$" in answer.replace("\\$", "") else f"${answer}$"

    def check(prediction: str, reference: str) -> bool:
        gold = parse(dressed(reference), targets)
        return bool(verify(gold, parse(dressed(prediction), targets)))

    return check


def run(check: Check, pairs: Iterable[tuple[str, str, bool]]) -> Tally:
    read.cache_clear()
    read_plain.cache_clear()
    tally = Tally()
    for prediction, reference, is_equal in pairs:
        start = time.perf_counter()
        try:
            found = check(prediction, reference)
        except Exception:  # another library's failure counts as its rejection
            found = False
        tally.times_s.append(time.perf_counter() - start)
        (tally.accepted if found else tally.rejected)[is_equal] += 1
    return tally


def real_pairs(path: Path) -> list[tuple[str, str, bool]]:
    pairs = []
    for line in path.read_text(encoding="utf-8").splitlines():
        problem = json.loads(line)
        for sample in problem["samples"]:
            answer = extract_answer(sample["text"])
            if answer is not None:
                pairs.append((answer, problem["gt"], bool(sample["correct"])))
    return pairs


def labelled_pairs() -> dict[str, list[tuple[str, str, bool]]]:
    groups: dict[str, list[tuple[str, str, bool]]] = defaultdict(list)
    for line in (_FIXTURES / "pairs.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        pair = (row["prediction"], row["reference"], row["label"] == "equal")
        groups[f"labelled {row['split']}"].append(pair)
        if row["split"] == "report":
            groups[f"  report {row['source']}"].append(pair)
    return dict(sorted(groups.items(), key=lambda item: (item[0].startswith(" "), item[0])))


def report_extraction() -> None:
    rows = [json.loads(line) for line in (_FIXTURES / "extraction.jsonl").read_text(encoding="utf-8").splitlines()]
    for split in ("dev", "report"):
        chosen = [row for row in rows if row["split"] == split]
        right = 0
        for row in chosen:
            found, wanted = extract_answer(row["text"]), row["answer"]
            bare = ["".join((a or "").replace("$", "").replace("*", "").split()).rstrip(".") for a in (found, wanted)]
            both = found is not None and wanted is not None
            right += found is wanted is None or (both and (bare[0] == bare[1] or answers_equal(found or "", wanted)))
        print(f"extraction {split}: {right}/{len(chosen)} = {right / len(chosen):.2%}")


def report(folder: Path | None, with_math_verify: bool) -> None:
    checkers: dict[str, Check] = {"lemma": ours}
    if with_math_verify:
        checkers["math-verify"] = math_verify()
    mixes: dict[str, list[tuple[str, str, bool]]] = {}
    if folder is not None:
        for name in ("gsm8k", "math"):
            mixes[f"real {name}"] = real_pairs(folder / "student" / f"{name}.jsonl")
    mixes |= labelled_pairs()
    default_sandbox().warm()
    print(
        f"{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}"
    )
    print(
        f"{'mix':<34}{'pairs':>6}  {'right':>7}  {'f.acc':>7}  {'f.rej':>7}  {'pairs/s':>10}  "
        f"{'p50 us':>9}  {'p99 ms':>8}  {'max ms':>8}"
    )
    for mix, pairs in mixes.items():
        tallies = {name: run(check, pairs) for name, check in checkers.items()}
        for name, tally in tallies.items():
            print(tally.line(f"{mix} · {name}"), flush=True)
        if len(tallies) == 2 and not mix.startswith(" "):
            times = [sum(tally.times_s) for tally in tallies.values()]
            print(f"    lemma is {times[1] / times[0]:,.0f} times as fast")
    layers: dict[str, int] = defaultdict(int)
    from lemma.answers import explain

    for name in ("real gsm8k", "real math"):
        for prediction, reference, _ in mixes.get(name, []):
            layers[f"{name}: {explain(prediction, reference).layer}"] += 1
    print(dict(layers))
    report_extraction()


def watch_leaks(count: int) -> None:
    pairs = [pair for name, group in labelled_pairs().items() if not name.startswith(" ") for pair in group]
    start = time.perf_counter()
    for index in range(count):
        prediction, reference, _ = pairs[index % len(pairs)]
        if index % 3 == 0:
            prediction = f"{prediction} + {index}"  # a new text, which no cache holds
        compare(prediction, reference)
        if (index + 1) % max(1, count // 20) == 0:
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
            print(
                f"{index + 1:>9} checks  {time.perf_counter() - start:>7.0f} s  "
                f"{pages * os.sysconf('SC_PAGE_SIZE') / 2**20:>6.1f} MB  "
                f"{len(os.listdir('/proc/self/fd'))} open files  {len(children)} child processes",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="the data folder, for the real pairs")
    parser.add_argument("--alone", action="store_true", help="leave math-verify out")
    parser.add_argument("--leaks", type=int, metavar="N", help="check N pairs in a row and watch memory and processes")
    options = parser.parse_args()
    if options.leaks:
        watch_leaks(options.leaks)
    else:
        report(options.data, not options.alone)


if __name__ == "__main__":
    main()
