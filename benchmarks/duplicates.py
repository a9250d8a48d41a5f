"""How well copies are found: near duplicates among outputs at export, test questions among problems at reading.

    python benchmarks/duplicates.py --data DIR [--rows 100000]

DIR holds ``gsm8k/{train,test}.jsonl`` (openai/grade-school-math), ``math/{train,test}.jsonl`` (hendrycks/math) and
whatever further question sets lie in ``eval/*.jsonl``. Prints

- copies planted among reference solutions that are found: words replaced, one sentence moved, both;
- outputs of different problems that are taken for copies, each shown;
- time and memory of an export of so many rows, with and without the search;
- test questions planted in another style that are found;
- training questions that overlap with the test sets: by share, the exact ones and the nearest ones shown.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from lemma.config import Config
from lemma.datasets import TEST_SETS, Decontaminator, take_out_marks
from lemma.datasets.decontamination import MIN_SHARE, in_words
from lemma.datasets.overlap import grams_of
from lemma.exports import CardFacts, export_run
from lemma.exports.near import NearCopies
from lemma.records import MadeBy, Mistake, Problem, Trajectory, make_id

_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}(?![A-Za-z])")
_BREAK = re.compile(r"(?<=[.!?\n])\s+")
_NUMBER = re.compile(r"[0-9]+")
_MADE_BY = MadeBy(stage="correct", model="rules", prompt_hash="", request_key="", config_hash="")

Pair = tuple[str, str]
"""A question and its solution."""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--rows", type=int, default=100_000)
    options.add_argument("--show", type=int, default=3, help="examples shown of each kind")
    options.add_argument("--export", choices=("on", "off"), help=argparse.SUPPRESS)  # the timed child
    given = options.parse_args()
    if given.export:
        _timed_export(given.data, given.rows, given.export == "on")
        return
    sets = {name: _read(given.data / name / "train.jsonl") for name in ("math", "gsm8k")}
    for name, pairs in sets.items():
        _near_copies(name, pairs, given.show)
    print(f"\n## an export of {given.rows:,} rows, {given.rows // 20:,} of them near copies", flush=True)
    for state in ("off", "on"):
        command = [sys.executable, __file__, "--data", str(given.data), "--rows", str(given.rows), "--export", state]
        subprocess.run(command, check=True)
    for name in sets:
        _planted_questions(name, [question for question, _ in _read(given.data / name / "test.jsonl")])
    others = {path.stem: [q for q, _ in _read(path)] for path in sorted((given.data / "eval").glob("*.jsonl"))}
    questions = {f"{name} train": [question for question, _ in pairs] for name, pairs in sets.items()} | others
    for name, texts in questions.items():
        _overlaps(name, texts, given.show)


def _read(path: Path) -> list[Pair]:
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return [
        (row.get("question") or row["problem"], take_out_marks(str(row.get("solution") or row["answer"]))[0])
        for row in rows
    ]


# --- near copies


def _near_copies(name: str, pairs: Sequence[Pair], show: int) -> None:
    print(f"\n## near copies: {name}, {len(pairs):,} reference solutions")
    words = sorted({word for _, solution in pairs for word in _WORD.findall(solution)})
    plants: dict[str, Callable[[str, random.Random], str | None]] = {
        "1 word in 20 replaced": lambda text, draw: _reworded(text, 0.05, words, draw),
        "1 word in 10 replaced": lambda text, draw: _reworded(text, 0.10, words, draw),
        "1 word in 5 replaced": lambda text, draw: _reworded(text, 0.20, words, draw),
        "one sentence moved": _moved,
        "moved, and 1 word in 10": lambda text, draw: (
            (moved := _moved(text, draw)) and _reworded(moved, 0.10, words, draw)
        ),
        "one number changed": _renumbered,
    }
    rows = []
    for threshold in (0.5, 0.6, 0.65, 0.7, 0.8):
        kept, false = _distinct(pairs, threshold)
        found = {kind: _found(kept, pairs, plant) for kind, plant in plants.items()}
        rows.append((threshold, found, false))
    print("found at threshold " + "".join(f"{threshold:>8}" for threshold, *_ in rows))
    for kind in plants:
        print(f"{kind:<26}" + "".join(f"{100 * found[kind]:7.1f}%" for _, found, _ in rows))
    print(f"{'different problems taken':<26}" + "".join(f"{100 * len(false) / len(pairs):7.2f}%" for *_, false in rows))
    for this, other, similarity in rows[2][2][:show]:  # those at the default
        print(f"  {similarity:.2f}: {_short(this)}\n        {_short(other)}")


def _distinct(pairs: Sequence[Pair], threshold: float) -> tuple[NearCopies, list[tuple[str, str, float]]]:
    """All solutions in order, and those taken for copies of an earlier one: both questions, and the similarity."""
    kept = NearCopies(threshold)
    false = []
    for number, (question, solution) in enumerate(pairs):
        sketch = kept.sketch(solution, question)
        if twin := kept.twin_of(sketch):
            false.append((question, pairs[int(twin.name)][0], twin.similarity))
        kept.add(sketch, str(number))
    return kept, false


def _found(kept: NearCopies, pairs: Sequence[Pair], plant: Callable[[str, random.Random], str | None]) -> float:
    """Share of the copies planted of 1,000 solutions that are found, of those that can be changed so."""
    draw = random.Random(1)
    planted = found = 0
    for question, solution in draw.sample(list(pairs), min(1000, len(pairs))):
        copy = plant(solution, draw)
        if copy is not None and len(solution.split()) >= 30:  # as short as a trajectory may be
            planted += 1
            found += kept.twin_of(kept.sketch(copy, question)) is not None
    return found / max(1, planted)


def _reworded(text: str, share: float, words: Sequence[str], draw: random.Random) -> str | None:
    spots = list(_WORD.finditer(text))
    chosen = {spot.start() for spot in draw.sample(spots, round(share * len(spots)))}
    return _WORD.sub(lambda spot: draw.choice(words) if spot.start() in chosen else spot[0], text) if chosen else None


def _moved(text: str, draw: random.Random) -> str | None:
    sentences = _BREAK.split(text)
    if len(sentences) < 3:
        return None
    at = draw.randrange(len(sentences))
    sentence = sentences.pop(at)
    sentences.insert(draw.choice([place for place in range(len(sentences) + 1) if place != at]), sentence)
    return " ".join(sentences)


def _renumbered(text: str, draw: random.Random) -> str | None:
    """Another number in one place: no copy, and not to be found."""
    spots = list(_NUMBER.finditer(text))
    if not spots:
        return None
    spot = draw.choice(spots)
    return f"{text[: spot.start()]}{draw.randrange(10_000, 100_000)}{text[spot.end() :]}"


# --- an export


def _timed_export(data: Path, rows: int, is_on: bool) -> None:
    pairs = [pair for name in ("math", "gsm8k") for pair in _read(data / name / "train.jsonl")]
    config = Config.model_validate(
        {
            "data": [{"dataset": "math", "path": "x"}],
            "smooth": {"scope": "off"},
            "export": {"formats": [], "near_duplicates": 0.65 if is_on else None},
        }
    )
    facts = CardFacts(version="", sources=(), decontaminated=(), students=(), teacher="", stages=())
    with tempfile.TemporaryDirectory() as folder:
        before = _peak_mib()
        start, cpu = time.perf_counter(), time.process_time()
        summary = export_run(lambda: _trajectories(pairs, rows), lambda: iter(()), Path(folder), config, facts)
        seconds, busy = time.perf_counter() - start, time.process_time() - cpu
    memory = f"{_peak_mib() - before:.0f} MiB above {before:.0f}"
    print(
        f"near_duplicates {'on ' if is_on else 'off'}: {seconds:.1f} s ({busy:.1f} s of one core), {memory}, "
        f"{summary.rows:,} kept, {dict(summary.rejected)}",
        flush=True,
    )


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _trajectories(pairs: Sequence[Pair], rows: int) -> Iterator[Trajectory]:
    """Solutions with new numbers, each of another problem; every twentieth is the one before it, re-worded."""
    draw = random.Random(2)
    words = sorted({word for _, solution in pairs for word in _WORD.findall(solution)})
    question = solution = ""
    for number in range(rows):
        if number % 20 == 19:
            text = _reworded(solution, 0.05, words, draw) or f"{solution} Indeed."
        else:
            question, plain = pairs[number % len(pairs)]
            solution = text = _NUMBER.sub(lambda _: str(draw.randrange(1000)), plain)
        yield _trajectory(number, question, text)


def _trajectory(number: int, question: str, text: str) -> Trajectory:
    problem = Problem(
        id=make_id("p", str(number)),
        dataset="math",
        question=question,
        reference_solution=text,
        answer="1",
        meta={},
    )
    third = max(1, len(text) // 3)
    mistake = Mistake(
        id=make_id("m", problem.id),
        problem=problem,
        origin="student",
        model="student",
        solution=text,
        answer="2",
        error_type="calculation_error",
        prefix_end=third,
        first_error_step=1,
        explanation="",
        made_by=_MADE_BY,
    )
    return Trajectory(
        id=make_id("t", mistake.id),
        mistake=mistake,
        strategy="fix_continue",
        prefix=text[:third],
        reflection=text[third : 2 * third],
        continuation=text[2 * third :],
        text=text,
        answer="1",
        is_smoothed=False,
        made_by=_MADE_BY,
    )


# --- contamination


def _planted_questions(name: str, questions: Sequence[str]) -> None:
    print(f"\n## test questions planted: {name}, {len(questions):,}")
    known = Decontaminator.load([f"{name}-test"])
    styles: dict[str, Callable[[str], str]] = {
        "as it is": str,
        "blanks and line breaks": lambda text: f"  {text.replace(' ', chr(10) + ' ').replace('=', ' = ')} ",
        "upper case": str.upper,
        "LaTeX's other commands": _other_commands,
        "\\( \\) for $ $": _other_dollars,
        "\\left( \\right)": _sized,
        "without its full stop": lambda text: text.rstrip(" .?"),
        "all of these": lambda text: _sized(_other_dollars(_other_commands(text))).replace(" ", "  ").rstrip(" .?"),
        "a sentence before it": lambda text: f"Solve the problem. {text}",
        "a sentence behind it": lambda text: f"{text} Explain how you get there, and round nothing.",
    }
    for style, change in styles.items():
        matches = [known.match(change(question)) for question in questions]
        how = Counter(match.how for match in matches if match)
        print(
            f"{style:<24} found {100 * how.total() / len(questions):6.2f} %: "
            f"exact {how['exact']:,}, overlap {how['overlap']:,}"
        )


def _other_commands(text: str) -> str:
    for one, other in (("\\frac", "\\dfrac"), ("\\ldots", "\\dots"), ("...", "\\ldots"), ("\\le ", "\\leq ")):
        text = text.replace(one, other)
    return text


def _other_dollars(text: str) -> str:
    pieces = re.split(r"(?<!\\)\$", text)
    if len(pieces) % 2 == 0:
        return text
    return "".join(f"\\({piece}\\)" if number % 2 else piece for number, piece in enumerate(pieces))


def _sized(text: str) -> str:
    return re.sub(r"(?<!\\)(?<!\\left)\(", r"\\left(", re.sub(r"(?<!\\)(?<!\\right)\)", r"\\right)", text))


def _overlaps(name: str, questions: Sequence[str], show: int) -> None:
    known = {test_set: Decontaminator.load([test_set]) for test_set in TEST_SETS}
    print(f"\n## overlaps: {name}, {len(questions):,} questions, of which "
          f"{sum(not grams_of(in_words(question)) for question in questions):,} have no 13 words")  # fmt: skip
    for test_set, one in known.items():
        matches = [(match, question) for question in questions if (match := one.match(question))]
        exact = [question for match, question in matches if match.how == "exact"]
        nearest = sorted(
            ((match.share, question) for match, question in matches if match.how == "overlap"), reverse=True
        )
        by_share = Counter(min(9, int(10 * share)) / 10 for share, _ in nearest)
        print(f"{test_set}: exact {len(exact)}, overlap ≥ {MIN_SHARE:.0%} {len(nearest)} "
              f"({100 * len(nearest) / len(questions):.2f} %), by share {dict(sorted(by_share.items()))}")  # fmt: skip
        for question in exact:
            print(f"  exact: {_short(question)}")
        for share, question in [*nearest[:show], *nearest[-show:]]:
            print(f"  {share:.2f}: {_short(question)}")


def _short(text: str) -> str:
    return " ".join(text.split())[:150]


if __name__ == "__main__":
    main()
