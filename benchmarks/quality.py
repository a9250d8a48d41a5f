"""Measure what the embedded teacher `rules` says: is it right where it answers, and how often does it answer?

    python benchmarks/quality.py --data DATA --json quality.json
    python benchmarks/quality.py --data DATA --inject [--read inject50.md]

The first compares its analyses with labelled first errors (``labelled/*.jsonl``). *coverage* is the share of wrong
solutions for which it names a step at all; *exact* and *near* (at most one step off) are shares of those, in the
steps of the set: the words that it quotes are looked up in the set's own segmentation by character offsets. *type* is
the share, of the exact ones, whose type is the set's. Each set is split by a hash of the question: rules were tuned
on the half *tune*, the half *report* was only ever measured. `f1` is ProcessBench's: the harmonic mean of the shares of
wrong solutions whose first error is found and of right ones that are called correct; what is declined counts as
missed.

The second injects every type into every problem of ``gsm8k/train.jsonl`` and confirms each label by reading the text
anew, with code that shares nothing with lemma's reader: every equation before the altered step holds, the altered
step is the only departure, what follows is consistent with the wrong value. ``--read`` writes some of them for a
person to read.
"""

from __future__ import annotations

import argparse
import ast
import gzip
import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from lemma.answers import extract_answer
from lemma.config import DatasetSpec
from lemma.datasets import ReadProblem, read_problems, take_out_marks
from lemma.endings import finish, is_bare_answer
from lemma.records import MadeBy, Problem, Sample
from lemma.stages.base import AnalyzeUnit, Gold, InjectUnit, Request
from lemma.steps import locate_steps, split_steps, step_spans
from lemma.teacher.rules import INJECTED_TYPES, RulesTeacher

TYPES: Final[dict[str, frozenset[str]]] = {
    "confusing_formula_error": frozenset({"formula_confusion", "concept_confusion"}),
    "Misunderstanding of a question": frozenset({"question_misinterpretation", "referencing_context_value_error"}),
    "Extra quantity or Missing quantity": frozenset({"missing_step", "adding_irrelevant_information"}),
    "Missing / Wrong factual knowledge": frozenset({"concept_confusion", "formula_confusion", "counting_error"}),
    "Calculation error easily solved by a calculator": frozenset({"calculation_error"}),
    "Reached correct solution but proceeded further": frozenset({"adding_irrelevant_information"}),
    "Unit conversion error": frozenset({"unit_conversion_error"}),
}
"""A set's label -> ours that say the same; a label that is not here is its own name."""
MADE_BY: Final = MadeBy(stage="sample", model="labelled", prompt_hash="", request_key="", config_hash="")


# ------------------------------------------------------------------------------------------ labelled first errors


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a file, compressed or not."""
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    for line in content.splitlines():
        yield json.loads(line)


def half_of(question: str) -> str:
    """Which half a question belongs to; all rows of a question stay together."""
    return "tune" if hashlib.sha256(question.encode()).digest()[0] % 2 else "report"


def unit_of(row: dict[str, Any]) -> AnalyzeUnit:
    """The row as the analysis stage would ask about it."""
    reference = take_out_marks(row["reference_solution"] or "")[0]
    problem = Problem(
        id="p-" + hashlib.sha256(row["question"].encode()).hexdigest()[:20],
        dataset=row["source"],
        question=row["question"],
        reference_solution=reference,
        answer=row["gt"] or "",
    )
    text = row["solution"]
    unit_id = "u-" + hashlib.sha256(f"{problem.id} {text}".encode()).hexdigest()[:20]
    sample = Sample(
        id=unit_id,
        problem=problem,
        model="labelled",
        text=text,
        answer=extract_answer(text) or bare_answer(row["steps"]),
        is_correct=False,
        made_by=MADE_BY,
    )
    return AnalyzeUnit(unit_id, sample)


def bare_answer(steps: list[str]) -> str | None:
    """The last step, if it is an answer and nothing else, as some sets have it."""
    last = steps[-1].strip() if steps else ""
    return last if last and is_bare_answer(last) else None


def part(reply: str, name: str) -> str:
    """The content of one tag of a reply; empty if it is not there."""
    found = re.search(rf"<{name}>(.*?)</{name}>", reply, re.DOTALL)
    return found[1] if found else ""


def answered_step(row: dict[str, Any], reply: str) -> int | None:
    """The step that a reply names, from 1, in the row's own segmentation; null if it names none."""
    number = part(reply, "first_error_step")
    if not number:
        return None
    text = row["solution"]
    start, end = step_spans(text)[int(number) - 1]
    at = text.find(part(reply, "quote"), start, end)
    at = start if at < 0 else at
    place = 0
    for index, (left, _) in enumerate(locate_steps(text, row["steps"])):
        if left <= at:
            place = index
    return place + 1


def tally(path: Path, teacher: RulesTeacher) -> dict[str, dict[str, Counter[str]]]:
    """Counts of one set: half -> type (and ``all``) -> what happened."""
    found: dict[str, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    for row in rows(path):
        unit = unit_of(row)
        reply = teacher.answer_now(Request(unit, (), "rules", {}, "")).text
        half, label = half_of(row["question"]), row["error_type"] or "-"
        outcome = Counter({"rows": 1})
        step, wanted = answered_step(row, reply), row["first_error_step"]
        if wanted is None:
            outcome = Counter({"right": 1, "right_kept": int(part(reply, "verdict") == "correct"),
                               "right_accused": int(step is not None)})  # fmt: skip
        elif step is not None:
            kind = part(reply, "error_type")
            is_type = kind in TYPES.get(label, {label})
            outcome.update(answered=1, exact=int(step == wanted), near=int(abs(step - wanted) <= 1),
                           type=int(is_type), exact_type=int(is_type and step == wanted))  # fmt: skip
            found[half][f"said {kind}"].update(outcome)
        else:
            outcome.update(missed=int(part(reply, "verdict") == "correct"))
        for name in ("all", label):
            found[half][name].update(outcome)
    return found


def share(part_of: int, whole: int) -> float | None:
    """A share, rounded; null of nothing."""
    return round(part_of / whole, 4) if whole else None


def shares(count: Counter[str]) -> dict[str, float | int | None]:
    """What is reported of some rows."""
    kept, caught = share(count["right_kept"], count["right"]), share(count["exact"], count["rows"])
    f1 = 2 * kept * caught / (kept + caught) if kept and caught else None
    return {
        "rows": count["rows"],
        "coverage": share(count["answered"], count["rows"]),
        "exact": share(count["exact"], count["answered"]),
        "near": share(count["near"], count["answered"]),
        "type": share(count["exact_type"], count["exact"]),
        "recall": share(count["exact_type"], count["rows"]),
        "right_rows": count["right"],
        "right_kept": kept,
        "right_accused": share(count["right_accused"], count["right"]),
        "f1": round(f1, 4) if f1 is not None else None,
    }


def report_labelled(data: Path, names: list[str]) -> dict[str, Any]:
    """Prints and returns the shares of every set, half and type."""
    teacher = RulesTeacher()
    found: dict[str, Any] = {}
    columns = ("coverage", "exact", "near", "type", "recall", "right_kept", "right_accused", "f1")
    print(f"{'set':<26}{'half':<8}{'type':<48}{'rows':>5}" + "".join(f"{c:>14}" for c in columns))
    for path in sorted((data / "labelled").iterdir()):
        name = path.name.split(".")[0]
        if ".jsonl" not in path.name or (names and name not in names):
            continue
        counted = tally(path, teacher)
        both: dict[str, Counter[str]] = defaultdict(Counter)
        for kinds in counted.values():
            for kind, count in kinds.items():
                both[kind].update(count)
        found[name] = {}
        for half, by_kind in (*sorted(counted.items()), ("whole", both)):
            found[name][half] = {kind: shares(count) for kind, count in sorted(by_kind.items())}
            for kind, values in found[name][half].items():
                if kind == "-" or (kind != "all" and half != "whole"):
                    continue
                cells = "".join(f"{'' if values[c] is None else format(values[c], '.1%'):>14}" for c in columns)
                print(f"{name[:25]:<26}{half:<8}{kind:<48}{values['rows']:>5}{cells}")
    return found


# ------------------------------------------------------------------------------------------ injected mistakes

_SIGNS: Final = str.maketrans({"×": "*", "÷": "/", "–": "-", "−": "-", "·": "*", "[": "(", "]": ")"})
_PIECE: Final = re.compile(
    r"(?P<num>\d[\d,]*(?:\.\d+)?|\.\d+)|(?P<op>[-+*/()])|(?P<times>(?<=[\d) ])x(?=[ \d($]))|(?P<word>\S)"
)
_PER: Final = re.compile(r"/ ?(?=[A-Za-z])|-(?=[A-Za-z])")
_TIGHT: Final = re.compile(r"(?<=[\d)])(?=\()")
_UNKNOWN: Final = re.compile(r"\d[a-z]\b|(?<![\d) ] )\b[xyn]\b")
_NUMBER: Final = re.compile(r"(?:\d[\d,]*(?:\.\d+)?|\.\d+)(?!\d|st\b|nd\b|rd\b|th\b)")


def computed(text: str, *, is_left: bool) -> Fraction | None:
    """The value of the longest expression at the end (left of a sign) or the beginning (right of it) of `text`.

    Units and words are passed over; null where an operator is missing between two numbers, or nothing can be read.
    """
    pieces = [
        (m.lastgroup or "", m.group()) for m in _PIECE.finditer(_TIGHT.sub("*", _PER.sub(" ", text.translate(_SIGNS))))
    ]
    bare = [("op", "*") if kind == "times" else (kind, piece) for kind, piece in pieces if kind != "word"]
    best: Fraction | None = None
    for length in range(1, len(bare) + 1):
        part_of = bare[-length:] if is_left else bare[:length]
        source = " ".join(piece.replace(",", "").lstrip("0") or "0" for _, piece in part_of)
        try:
            best = folded(ast.parse(source, mode="eval").body)
        except (SyntaxError, ZeroDivisionError, ValueError):
            continue
    return best


def folded(node: ast.expr) -> Fraction:
    """The exact value of a tree of numbers and the four operations."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return Fraction(str(node.value))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -folded(node.operand)
    if isinstance(node, ast.BinOp):
        left, right = folded(node.left), folded(node.right)
        if isinstance(node.op, ast.Add):
            return left + right
        if isinstance(node.op, ast.Sub):
            return left - right
        if isinstance(node.op, ast.Mult):
            return left * right
        if isinstance(node.op, ast.Div):
            return left / right
    raise ValueError("neither a number nor one of the four operations")


def verdicts(text: str) -> list[bool | None]:
    """Whether each equation of a text holds, rounding and percent signs allowed; null where it cannot be read."""
    found: list[bool | None] = []
    for line in re.split(r"\n|(?<=[.;:!?,]) |\b(?:because|so|is|was|are|means|or)\b", text):
        sides = re.split(r"=|\bequals\b", line)
        for left, right in pairwise(sides):
            written = _NUMBER.search(right)
            if not _NUMBER.search(left):
                continue  # "Total = 3 + 4": a name for what follows
            a, b = computed(left, is_left=True), computed(right, is_left=False)
            if a is None or b is None or written is None or _UNKNOWN.search(left + right):
                found.append(None)
                continue
            step = Fraction(1, 10 ** len(written.group().partition(".")[2]))
            lone = Fraction(written.group().replace(",", "").rstrip("."))
            scales = (1, Fraction(1, 100), 100) if "%" in left + right else (1,)
            found.append(any(abs(a * scale - value) < step for scale in scales for value in (b, lone)))
    return found


def numbers(text: str) -> list[Fraction]:
    return [Fraction(digits.replace(",", "")) for digits in _NUMBER.findall(text)]


def is_carried(old: str, new: str, before: str, question: str) -> bool | None:
    """Whether `new` is `old` with every value that changed carried through; null where the words differ too.

    A value that has changed once may stand unchanged only where the question or the text before says it as well,
    and what stands in its place must have been written before, or be the result of an equation.
    """
    if _NUMBER.sub("#", old) != _NUMBER.sub("#", new):
        return None
    changed: dict[Fraction, Fraction] = {}
    given, seen = set(numbers(question)) | set(numbers(before)), set(numbers(before))
    seen.update(value for piece in re.split("=|equals", new)[1:] for value in numbers(piece)[:1])
    for mine, theirs in zip(numbers(new), numbers(old), strict=True):
        if mine == theirs and theirs in changed and theirs not in given:
            return False
        if mine != theirs and mine not in seen:
            return False
        if mine != theirs and changed.setdefault(theirs, mine) != mine and theirs not in given:
            return False
    return numbers(new)[-1:] != numbers(old)[-1:]


def confirm(unit: InjectUnit, reply: str) -> str:
    """``confirmed``, ``unread`` or ``refuted``: the label of one injected mistake, read anew."""
    gold, form = unit.gold.text, "\nThe answer is: "
    start, end = step_spans(gold)[int(part(reply, "altered_step")) - 1]
    step, rest = part(reply, "step"), part(reply, "rest")
    before, old_step, old_rest = gold[:start], gold[start:end], gold[end:]
    if not rest:
        step, sign, tail = step.rpartition(form)
        rest, old_step, old_rest = (
            (sign + tail).strip(),
            old_step.partition(form)[0],
            f"{form.strip()} {unit.of.answer}",
        )
    if False in verdicts(before) + verdicts(old_step) + verdicts(old_rest):
        return "unread"  # the reading cannot follow what is right
    is_slip = unit.error_type == "calculation_error"
    here, there = verdicts(step), verdicts(rest)
    if False in there or (False in here) != is_slip or here.count(False) > 1 or step.strip() == old_step.strip():
        return "refuted" if None not in here + there else "unread"
    if numbers(rest)[-1] == numbers(gold)[-1]:
        return "refuted"
    if len(_NUMBER.findall(rest)) != len(_NUMBER.findall(old_rest)):  # a step has been left out
        old_rest = old_rest.strip().partition("\n")[2] or old_rest
    carried = is_carried(old_rest.strip(), rest.strip(), f"{before}\n{step}", unit.of.question)
    if carried is None or None in here:
        return "unread"
    return "confirmed" if carried else "refuted"


def injection_unit(problem: Problem, error_type: str) -> InjectUnit:
    gold = Gold(finish(problem.reference_solution, problem.answer, "The answer is: {answer}"), "reference", problem.id)
    return InjectUnit(f"u-{problem.id}-{error_type}", problem, gold, error_type, 0, 1)


def report_injected(data: Path, read: Path | None) -> dict[str, Any]:
    """Prints and returns the share of problems that each type can be injected into, and how the labels hold."""
    spec = DatasetSpec(dataset="gsm8k", path=str(data / "gsm8k" / "train.jsonl"))
    problems = [one.problem for one in read_problems([spec]) if isinstance(one, ReadProblem)]
    teacher, counts = RulesTeacher(), {kind: Counter[str]() for kind in INJECTED_TYPES}
    injected: dict[str, dict[str, str]] = defaultdict(dict)
    for problem in problems:
        for kind in INJECTED_TYPES:
            unit = injection_unit(problem, kind)
            reply = teacher.answer_now(Request(unit, (), "rules", {}, "")).text
            if part(reply, "altered_step"):
                counts[kind].update(("injected", confirm(unit, reply)))
                injected[problem.id][kind] = reply
    print(f"{len(problems)} problems, into {len(injected) / len(problems):.1%} of which some type can be injected\n")
    print(f"{'type':<40}{'injected':>10}{'confirmed':>11}{'unread':>9}{'refuted':>9}")
    for kind, count in counts.items():
        cells = (share(count[name], count["injected"]) or 0 for name in ("confirmed", "unread", "refuted"))
        row = "".join(f"{cell:>{width}.1%}" for cell, width in zip(cells, (11, 9, 9), strict=True))
        print(f"{kind:<40}{count['injected'] / len(problems):>10.1%}{row}")
    if read is not None:
        read.write_text(sheet(problems, injected), encoding="utf-8")
    found = {kind: {name: count[name] for name in sorted(count)} for kind, count in counts.items()}
    return {"problems": len(problems), "injected": len(injected), "types": found}


def sheet(problems: Sequence[Problem], injected: Mapping[str, Mapping[str, str]], count: int = 50) -> str:
    """Markdown with `count` injected mistakes, chosen by a hash and in turn from all types, for a person to read."""
    order = sorted(problems, key=lambda problem: hashlib.sha256(problem.id.encode()).hexdigest())
    pages: list[str] = []
    turn = 0
    while len(pages) < count and order:
        kind = INJECTED_TYPES[turn % len(INJECTED_TYPES)]
        turn += 1
        problem = next((one for one in order if kind in injected.get(one.id, {})), None)
        if problem is None:
            continue
        order.remove(problem)
        unit, reply = injection_unit(problem, kind), injected[problem.id][kind]
        number = int(part(reply, "altered_step"))
        steps = [text.strip() for text in split_steps(unit.gold.text)[: number - 1]]
        steps += [text.strip() for text in split_steps(f"{part(reply, 'step')}\n{part(reply, 'rest')}".strip())]
        lines = "\n".join(f"{place}. {text}" for place, text in enumerate(steps, 1))
        pages.append(
            f"## {len(pages) + 1}\n\n**Question.** {problem.question}\n\n**Solution.**\n\n{lines}\n\n"
            f"**Claimed:** first wrong step {number}, {kind}. {part(reply, 'explanation')}\n"
        )
    return "# Injected mistakes\n\n" + "\n".join(pages)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what the embedded teacher says.")
    parser.add_argument("--data", type=Path, required=True, help="folder with labelled/ and gsm8k/")
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    parser.add_argument("--set", action="append", default=[], help="only this labelled set (repeatable)")
    parser.add_argument("--inject", action="store_true", help="inject into gsm8k/train.jsonl instead")
    parser.add_argument("--read", type=Path, help="with --inject: write some as Markdown for a person to read")
    options = parser.parse_args()
    if options.inject:
        found = report_injected(options.data, options.read)
    else:
        found = report_labelled(options.data, options.set)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
