"""The yield table: every line adds up."""

from __future__ import annotations

import json
from typing import Any

from lemma.exports import StageFacts
from lemma.shards.manifest import Manifest
from lemma.summary import facts_of, verdicts, yield_table


def manifest(**more: Any) -> Manifest:
    return Manifest.model_validate(
        {"stage": "s", "part": 0, "fingerprint": "", "inputs": {}, "files": {}, "units": 0, "kept": 0, "rejected": 0}
        | more
    )


def test_the_facts_of_a_stage_are_the_sum_of_its_parts() -> None:
    facts = facts_of(
        "correct",
        [
            manifest(units=5, kept=2, rejected=3, reasons={"loop": 1, "no_answer": 2}),
            manifest(units=4, kept=3, rejected=1, reasons={"loop": 1}),
        ],
    )
    assert facts == StageFacts("correct", 9, 5, {"loop": 2, "no_answer": 2})
    assert facts.units == facts.kept + sum(facts.rejected.values()) + facts.left
    assert facts_of("correct", []) == StageFacts("correct", 0, 0, {})


def test_verdicts_add_up_over_datasets_and_students() -> None:
    tally = {json.dumps(["d", model, verdict]): 2 for model in ("a", 'b","right') for verdict in ("right", "wrong")}
    assert verdicts([manifest(tally=tally), manifest(tally=tally)]) == {"right": 8, "wrong": 8}
    assert not verdicts([])


def test_a_line_shows_units_kept_rejected_left_and_the_commonest_reasons() -> None:
    table = yield_table(
        [
            StageFacts("problems", 10, 8, {"broken_json": 2}),
            StageFacts("correct", 300, 100, {f"reason_{n}": n for n in range(1, 20)}, left=10),
        ]
    )
    header, first, second = table.splitlines()
    assert header.split() == ["stage", "units", "kept", "rejected", "left", "yield"]
    assert first.split() == ["problems", "10", "8", "2", "0", "80.0", "%", "broken_json", "2"]
    assert second.split()[:7] == ["correct", "300", "100", "190", "10", "33.3", "%"]
    assert second.endswith("reason_19 19, reason_18 18, reason_17 17, reason_16 16, 15 other reasons")


def test_equal_counts_stand_in_one_order() -> None:
    rows = [StageFacts("s", 4, 0, reasons) for reasons in ({"b": 2, "a": 2}, {"a": 2, "b": 2})]
    _, one, two = yield_table(rows).splitlines()
    assert one == two
    assert one.endswith("a 2, b 2")


def test_a_stage_without_units_has_no_yield_rather_than_an_error() -> None:
    assert yield_table([StageFacts("smooth", 0, 0, {})]).splitlines()[1].split() == ["smooth", "0", "0", "0", "0", "–"]


def test_a_remark_stands_before_the_reasons() -> None:
    table = yield_table([StageFacts("sample", 3, 2, {"no_answer": 1})], {"sample": "2 right", "other": "x"})
    assert table.splitlines()[1].endswith("2 right; no_answer 1")
    assert " x" not in table


def test_columns_line_up_and_no_line_ends_in_blanks() -> None:
    lines = yield_table([StageFacts("a", 1_000_000, 1, {}), StageFacts("much longer", 1, 1, {"loop": 3})]).splitlines()
    assert all(line == line.rstrip() for line in lines)
    ends = [line.index(word) + len(word) for line, word in zip(lines, (" units", " 1000000", " 1 "), strict=True)]
    assert ends[0] == ends[1] == ends[2] - 1
