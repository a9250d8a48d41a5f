"""Students and their mistakes: verdicts, error types analysed, drawn and kept, students and runs side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from lemma.counts import VERDICTS
from lemma.report.charts import SERIES, Bar, grouped, stacked
from lemma.report.facts import RunFacts
from lemma.report.figures import Cell, Figure, Section, Table, figure, percent, plain, run_cells, run_head, titled

SHOWN_TYPES = 12
SHOWN_STUDENTS = 12


def kinds(runs: Sequence[RunFacts]) -> list[Section]:
    """The students, then the types of each dataset."""
    types = [one for facts in runs for one in _types_of_run(facts, runs)]
    compared = [_compared(runs)] if len(runs) > 1 else []
    by_student = [one for facts in runs for one in _by_student(facts, runs)]
    figures = [_students(runs), *compared, *types, *by_student]
    return [Section("errors", "Students and errors", "Students and their errors", figures)]


def _students(runs: Sequence[RunFacts]) -> Figure:
    rows: list[list[Cell]] = []
    bars: list[Bar] = []
    datasets = {dataset for facts in runs for dataset, _ in facts.counts.verdicts_by_student()}
    for facts in runs:
        found = facts.counts.verdicts_by_student()
        for (dataset, student), counts in sorted(found.items()):
            all_of_it = counts.total()
            right = percent(counts["right"], all_of_it)
            rows.append(
                [*run_cells(facts, runs), dataset, student, all_of_it, *(counts[one] for one in VERDICTS), right]
            )
            parts = [student, *([dataset] if len(datasets) > 1 else []), *([facts.name] if len(runs) > 1 else [])]
            label = " · ".join(parts)
            for at, verdict in enumerate(VERDICTS):
                bars.append(Bar(label, counts[verdict], plain(verdict), "" if at else f"{right} right"))
    shown = list(dict.fromkeys(bar.label for bar in bars))[:SHOWN_STUDENTS]
    note = "Samples by verdict about their final answer."
    if len(rows) > SHOWN_STUDENTS:
        note += f" The first {SHOWN_STUDENTS} of {len(rows)} are drawn."
    head = [*run_head(runs), "dataset", "student", "samples", *map(plain, VERDICTS), "right, share"]
    colours = ("var(--accent)", "var(--rest-strong)", "var(--second)", "var(--third)")
    spec = stacked([bar for bar in bars if bar.label in shown], colours, is_share=True)
    return figure("Right and wrong samples", note, Table(head, rows), spec)


def _by_student(facts: RunFacts, runs: Sequence[RunFacts]) -> list[Figure]:
    """Each dataset's types, student beside student; nothing where there is one student."""
    by_dataset: dict[str, dict[str, Counter[str]]] = {}
    for (dataset, student), counts in facts.counts.types("analyze").items():
        by_dataset.setdefault(dataset, {})[student] = counts
    figures = []
    for dataset, students in sorted(by_dataset.items()):
        if len(students) < 2:
            continue
        most = sorted(students, key=lambda name: (-students[name].total(), name))
        title = titled(facts, runs, f"Mistakes of each student: {dataset}")
        names = _ordered(sum(students.values(), Counter()))
        rows: list[list[Cell]] = [
            [plain(name), *(students[student][name] for student in most), sum(one[name] for one in students.values())]
            for name in names
        ]
        shown = most[:4]
        bars = [
            Bar(plain(name), students[student][name] / students[student].total(), student)
            for name in names[:SHOWN_TYPES]
            for student in shown
        ]
        drawn = f" The {len(shown)} students with most mistakes are drawn." if len(most) > len(shown) else ""
        note = f"Share of each error type among a student's analysed mistakes.{drawn}"
        figures.append(figure(title, note, Table(["error type", *most, "all"], rows), grouped(bars)))
    return figures


def _ordered(counts: Counter[str]) -> list[str]:
    return sorted(counts, key=lambda name: (-counts[name], name))


def _types_of_run(facts: RunFacts, runs: Sequence[RunFacts]) -> list[Figure]:
    counts = facts.counts
    trajectories = counts.trajectories(facts.last)
    figures = []
    for dataset in sorted(counts.datasets):
        analysed = sum((one for (of, _), one in counts.types("analyze").items() if of == dataset), Counter[str]())
        injected = sum((one for (of, _), one in counts.types("inject").items() if of == dataset), Counter[str]())
        drawn: dict[str, dict[str, Any]] = counts.injected.get(dataset, {}).get("types", {})
        kept = Counter[str]()
        rows_kept = Counter[str]()
        for kind, count in trajectories.items():
            kept[kind.error_type] += count if kind.dataset == dataset else 0
        for kind, count in facts.rows.items():
            rows_kept[kind.error_type] += count if kind.dataset == dataset else 0
        names = _ordered(analysed + injected + Counter(dict.fromkeys(drawn, 0)))
        asked = Counter({name: entry["drawn"] for name, entry in drawn.items()})
        rows: list[list[Cell]] = [
            [
                plain(name),
                analysed[name],
                percent(analysed[name], analysed.total()),
                percent(drawn[name]["target"], 1) if name in drawn else None,
                asked[name],
                injected[name],
                percent(injected[name], injected.total()),
                kept[name],
                rows_kept[name],
            ]
            for name in names
        ]
        series = {"analysed": analysed, "drawn for injection": asked, "kept mistakes": analysed + injected}
        bars = [
            Bar(plain(name), found[name] / found.total(), label)
            for name in names[:SHOWN_TYPES]
            for label, found in series.items()
            if found.total()
        ]
        head = ["error type", "analysed", "share", "aimed at", "drawn", "injected", "share", "trajectories", "rows"]
        note = (
            "Shares of the students' analysed mistakes, of the injections asked for, and of all mistakes kept. "
            "Types that are often declined are drawn more often, so that the injected ones come near what is aimed at."
        )
        figures.append(figure(titled(facts, runs, f"Error types: {dataset}"), note, Table(head, rows), grouped(bars)))
    return figures


def _compared(runs: Sequence[RunFacts]) -> Figure:
    """The students' types, run beside run: such as before and after training."""
    by_run = {facts.name: sum(facts.counts.types("analyze").values(), Counter[str]()) for facts in runs}
    names = _ordered(sum(by_run.values(), Counter()))
    rows: list[list[Cell]] = []
    for name in names:
        cells: list[Cell] = [plain(name)]
        for counts in by_run.values():
            cells += [counts[name], percent(counts[name], counts.total())]
        rows.append(cells)
    bars = [
        Bar(plain(name), counts[name] / counts.total(), run)
        for name in names[:SHOWN_TYPES]
        for run, counts in list(by_run.items())[: len(SERIES)]
        if counts.total()
    ]
    head = ["error type", *(cell for run in by_run for cell in (run, "share"))]
    note = "Share of each type among the analysed mistakes of the students, run beside run."
    return figure("Error types of the runs", note, Table(head, rows), grouped(bars))
