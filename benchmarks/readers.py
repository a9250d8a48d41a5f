"""Put the package's own prompts before a strong reader, and score what comes back.

    python benchmarks/readers.py render --data DATA --split dev --out FOLDER --requests FOLDER
    python benchmarks/readers.py score --requests FOLDER --replies FOLDER [--kept FOLDER] [--judged FOLDER]

``render`` writes the requests that the stages would send, some ten a file, and (elsewhere, for the labels are in it)
what they were made from: ``requests.jsonl``. A reader who is given the rendered files and nothing else answers each
into a file of the same name. ``score`` reads the replies with the stages themselves: parsed, made into records and
checked as in a run. ``--kept`` writes what was kept for a second reader, who judges whether it is
true; ``--judged`` counts these judgements.
What is asked, and of which problems, stands in ``reader_tasks.py``; how it is kept, in ``reader_requests.py``.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from reader_requests import Outcome, Task, read_requests, replayed, write_requests
from reader_tasks import SPLITS, Chooser

from lemma.errors import ParseError
from lemma.records import Mistake
from lemma.stages.analyze import Finding
from lemma.taxonomy import load_taxonomy

REQUESTS_A_FILE: Final = 10
HOW_TO_ANSWER: Final = """\
Below stand a text that goes before every request of this file, and then the requests, each under its number.

Answer each request as the model that it is addressed to would, in exactly the form it asks for, writing into a file of
this name in the folder for replies, with a line `### <number>` before each reply. Each request stands for itself: what
you saw in another one tells you nothing. Use no tools to look anything up or compute, and no other files."""
HOW_TO_JUDGE: Final = """\
Below stand texts that were written by others, each under its number, and what each of them claims. Check every claim by
your own thinking; trust nothing. For each text write a line `### <number>` into a file of this name in the folder for
judgements, and below it one line: `true` if all claims hold, otherwise `false: ` and which claim fails, with the words
that are wrong and what would be right. Matters of taste are not false. Use no tools and no other files."""
_NUMBER: Final = re.compile(r"^###[ \t]+(\d{5})[ \t]*$", re.MULTILINE)


# ── rendering ──


def render(tasks: Iterable[Task], out: Path) -> None:
    """One file for about ten requests with the same system text."""
    alike: dict[tuple[str, str], list[Task]] = defaultdict(list)
    for task in tasks:
        alike[task.name, task.request.messages[0]["content"]].append(task)
    out.mkdir(parents=True, exist_ok=True)
    counts: Counter[str] = Counter()
    for (name, system), group in sorted(alike.items(), key=lambda item: item[0]):
        files = -(-len(group) // REQUESTS_A_FILE)
        for first in range(files):
            counts[name] += 1
            path = out / f"{name}-{counts[name]}.md"
            chosen = group[first::files]
            requests = "\n\n".join(f"### {task.number}\n\n{task.request.messages[1]['content']}" for task in chosen)
            text = f"# How to answer this file\n\n{HOW_TO_ANSWER}\n\n# Before every request\n\n{system}\n\n"
            path.write_text(f"{text}# The requests\n\n{requests}\n", encoding="utf-8")
            print(f"{path.name}: {len(chosen)} requests, {len(path.read_bytes()):,} bytes")


# ── scoring ──


def read_numbered(paths: Sequence[Path]) -> dict[tuple[str, str], str]:
    """(what is asked, number) → the text below that number; the part of a file's name before ``-`` says what."""
    found: dict[tuple[str, str], str] = {}
    for path in paths:
        for file in sorted(path.glob("*-*.md")) if path.is_dir() else [path]:
            pieces = _NUMBER.split(file.read_text(encoding="utf-8"))
            for number, text in zip(pieces[1::2], pieces[2::2], strict=True):
                key = (file.name.rpartition("-")[0], number)
                if key in found:
                    print(f"{file}: {number} stands there twice; the first counts")
                found.setdefault(key, text.strip())
    return found


def share(count: int, total: int) -> str:
    return f"{count}/{total} = {count / total:.1%}" if total else "none"


def show_analyses(outcomes: Sequence[Outcome]) -> None:
    rows = [(outcome, outcome.task.label) for outcome in outcomes if outcome.task.label is not None]
    named: dict[str, list[tuple[bool, bool]]] = defaultdict(list)
    spared: dict[str, list[bool]] = defaultdict(list)
    misses = []
    for outcome, label in rows:
        step = outcome.parsed.step if isinstance(outcome.parsed, Finding) else 0  # 0: not readable, null: correct
        if label.exact is None:
            spared[outcome.task.source].append(step is None)
            is_hit = step is None
        else:
            is_hit = step is not None and label.exact[0] <= step <= label.exact[1]
            hit = (is_hit, step is not None and label.near[0] <= step <= label.near[1])
            answer = "right answer all the same" if label.has_right_answer else "wrong or no answer"
            for key in (outcome.task.source, answer):
                named[key].append(hit)
        if not is_hit and outcome.parsed is not None:
            misses.append((outcome, label, step))
    for key, hits in [*sorted(named.items()), ("with an error", [hit for task in rows_of(named) for hit in task])]:
        exact, near = sum(hit for hit, _ in hits), sum(hit for _, hit in hits)
        print(f"  {key:<28} first step exact {share(exact, len(hits))}, within one {share(near, len(hits))}")
    for key, verdicts in [*sorted(spared.items()), ("without error", [v for group in spared.values() for v in group])]:
        print(f"  {key:<28} called correct {share(sum(verdicts), len(verdicts))}")
    for outcome, label, step in misses:
        print(f"\n  miss {outcome.task.number} ({outcome.task.source}): read {step}, labelled {label.exact}")
        print(indented(outcome.task.request.messages[1]["content"]))
        print(indented(outcome.text))


def rows_of(named: dict[str, list[tuple[bool, bool]]]) -> Iterator[list[tuple[bool, bool]]]:
    """The sets' own counts, not those by answer."""
    yield from (hits for key, hits in named.items() if "answer" not in key)


def indented(text: str) -> str:
    return "\n".join(f"    | {line}" for line in text.splitlines())


def score(tasks: Sequence[Task], replies: dict[tuple[str, str], str]) -> list[Outcome]:
    """Prints the figures, then every rejected reply; returns what was kept."""
    kept = []
    for name in sorted({task.name for task in tasks}):
        own = [task for task in tasks if task.name == name]
        outcomes = [
            replayed(task.stage, task.unit, replies[name, task.number], task)
            for task in own
            if (name, task.number) in replies
        ]
        unread = [outcome for outcome in outcomes if isinstance(outcome.error, ParseError)]
        reasons = Counter(outcome.error.reason for outcome in outcomes if outcome.error is not None)
        good = [outcome for outcome in outcomes if outcome.record is not None]
        print(f"\n{name}: {len(outcomes)} of {len(own)} answered")
        print(f"  parsed {share(len(outcomes) - len(unread), len(outcomes))}")
        if name == "analyze":
            show_analyses(outcomes)
        else:
            kept += good
            declined = reasons["teacher_declined"]
            of_given = f"; of those not declined {share(len(good), len(outcomes) - declined)}" if declined else ""
            print(f"  kept {share(len(good), len(outcomes))}{of_given}")
            for source in sorted({outcome.task.source for outcome in outcomes}):
                of_source = [outcome for outcome in outcomes if outcome.task.source == source]
                print(f"  {source:<28} kept {share(sum(o.record is not None for o in of_source), len(of_source))}")
        print("  rejected:", ", ".join(f"{count} {reason}" for reason, count in reasons.most_common()) or "none")
        for outcome in outcomes:
            # an analysis that finds no error gives no mistake: not a fault, and counted above
            if outcome.error is None or outcome.error.reason in ("judged_correct", "answer_equals_reference"):
                continue
            if name == "analyze" and outcome.error.reason in ("no_answer", "undecided_answer"):
                continue
            print(f"\n  rejected {outcome.task.number} ({outcome.task.source}): {outcome.error}")
            print(indented(outcome.text))
    known = {(task.name, task.number) for task in tasks}
    for name, number in sorted(set(replies) - known):
        print(f"\nnobody asked {name} {number}")
    return kept


# ── a second reader ──


def claims_of(outcome: Outcome) -> str:
    """A kept row, with what it says to be true."""
    unit, record = outcome.task.unit, outcome.record
    head = f"Problem:\n{unit.problem.question}\n\nCorrect answer: {unit.problem.answer}\n\n"
    if isinstance(record, Mistake):
        kind = load_taxonomy(None)[record.error_type].brief()
        before = record.solution[: record.prefix_end - len(outcome.parsed.step)]
        after = record.solution[record.prefix_end :]
        return (
            f"{head}Beginning:\n{before.strip() or '(none)'}\n\nAltered step:\n{outcome.parsed.step}\n\n"
            f"Rest:\n{after.strip() or '(none)'}\n\nExplanation: {record.explanation}\n\nClaims:\n"
            "1. Beginning: every statement is right.\n2. The altered step is wrong, in one way.\n"
            f"3. That mistake is rightly described as: {kind}\n4. The explanation is true.\n"
            "5. Rest: it goes on from the altered step as a learner would, with no further mistake of its own.\n"
            "6. Nothing in the solution tells that there is a mistake."
        )
    return (
        f"{head}Beginning:\n{record.prefix}\n\nReflection:\n{record.reflection.strip()}\n\n"
        f"Continuation:\n{record.continuation.strip()}\n\nClaims:\n"
        "1. The last step of the beginning is wrong, and it is wrong in the way that the reflection says.\n"
        "2. Every other statement of the reflection is true, also what it says of the beginning.\n"
        "3. Every statement of the continuation is true, and it leads to the answer without a gap.\n"
        "4. Read as one text by one person, nothing of it contradicts the rest or repeats the error."
    )


def write_kept(kept: Sequence[Outcome], out: Path) -> None:
    """About ten rows a file."""
    out.mkdir(parents=True, exist_ok=True)
    for name in sorted({outcome.task.name for outcome in kept}):
        own = [outcome for outcome in kept if outcome.task.name == name]
        files = -(-len(own) // REQUESTS_A_FILE)
        for first in range(files):
            rows = "\n\n".join(f"### {outcome.task.number}\n\n{claims_of(outcome)}" for outcome in own[first::files])
            text = f"# How to judge this file\n\n{HOW_TO_JUDGE}\n\n# The texts\n\n{rows}\n"
            (out / f"{name}-{first + 1}.md").write_text(text, encoding="utf-8")


def count_judgements(kept: Sequence[Outcome], judgements: dict[tuple[str, str], str]) -> None:
    for name in sorted({outcome.task.name for outcome in kept}):
        own = [outcome for outcome in kept if outcome.task.name == name]
        said = {outcome.task.number: judgements.get((name, outcome.task.number)) for outcome in own}
        false = {number: text for number, text in said.items() if text is not None and text.lower() != "true"}
        judged = sum(text is not None for text in said.values())
        print(f"\n{name}: {judged} of {len(own)} kept rows judged, false {share(len(false), judged)}")
        for number, text in false.items():
            print(f"  {number}\n{indented(text)}")


def main() -> int:
    parser = argparse.ArgumentParser(description="Put the prompts before a strong reader, and score the replies.")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("render")
    command.add_argument("--data", type=Path, required=True, help="folder with labelled/, gsm8k/, math/, student/")
    command.add_argument("--split", choices=sorted(SPLITS), required=True)
    command.add_argument("--out", type=Path, required=True, help="for the reader")
    command.add_argument("--requests", type=Path, required=True, help="folder for requests.jsonl, not for the reader")
    command = commands.add_parser("score")
    command.add_argument("--requests", type=Path, required=True, help="requests.jsonl(.gz), or its folder")
    command.add_argument("--replies", type=Path, nargs="+", required=True, help="files or folders")
    command.add_argument("--kept", type=Path, help="where to write the kept rows for a second reader")
    command.add_argument("--judged", type=Path, nargs="+", help="the second reader's files or folders")
    arguments = parser.parse_args()
    if arguments.command == "render":
        tasks = Chooser(arguments.data, arguments.split).tasks()
        render(tasks, arguments.out)
        write_requests(tasks, arguments.requests)
        return 0
    tasks = list(read_requests(arguments.requests))
    kept = score(tasks, read_numbered(arguments.replies))
    if arguments.kept:
        write_kept(kept, arguments.kept)
    if arguments.judged:
        count_judgements(kept, read_numbered(arguments.judged))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
