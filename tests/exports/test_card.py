from __future__ import annotations

from typing import Any

import pytest
import yaml

from lemma.config import Config
from lemma.exports.card import card
from lemma.exports.facts import CardFacts, OverlapFacts, RowCounts, SourceFacts, StageFacts
from lemma.exports.registry import FORMATS
from lemma.exports.rows import row_of
from lemma.records import TrainingRow
from tests.exports.builders import HOSTILE, config_of, facts_of, many, problem_of, trajectory_of

JSON_ROWS = ["alpaca", "messages", "sharegpt", "completion", "llamafactory"]


def card_of(
    facts: CardFacts | None = None, config: Config | None = None, example: TrainingRow | None = None, problems: int = 4
) -> str:
    counts = RowCounts()
    for trajectory in many(problems, each=3):
        counts.add(row_of(trajectory), "train")
    export = StageFacts("export", 14, 12, {"duplicate": 2})
    return card(facts or facts_of(), config or config_of(), FORMATS, counts, export, example)


def front_matter(text: str) -> dict[str, Any]:
    assert text.startswith("---\n")
    tree = yaml.safe_load(text.split("---\n")[1])
    assert isinstance(tree, dict)
    return tree


def test_the_front_matter_is_what_the_hub_takes() -> None:
    tree = front_matter(card_of())
    assert tree["task_categories"] == ["text-generation"]
    assert tree["size_categories"] == ["n<1K"]
    assert [one["config_name"] for one in tree["configs"]] == ["default", *JSON_ROWS]
    assert tree["configs"][0]["data_files"] == [{"split": "train", "path": "train.jsonl"}]
    assert [one["name"] for one in tree["dataset_info"][0]["features"]] == list(TrainingRow.model_fields)


def test_the_counts_stand_in_it() -> None:
    text = card_of()
    assert "| `student` | 8 | 66.7 % |" in text
    assert "| `fix_continue` | 8 | 66.7 % |" in text
    assert "| `calculation_error` | 4 | 2 | 50.0 % | 75.0 % |" in text
    assert "| `gsm8k` | 10 | `MIT` |" in text


def test_the_yield_table_ends_with_the_export_and_every_reason_is_explained() -> None:
    text = card_of()
    assert "| `sample` | 40 | 38 | 2 | 0 | 95.0 % |" in text
    assert "| `export` | 14 | 12 | 2 | 0 | 85.7 % |" in text
    assert "| `export` | `duplicate` | 2 | an identical row was exported before it |" in text


def test_a_demonstration_says_so_at_the_top_and_nothing_else_does() -> None:
    warning = "Made from test questions: a demonstration, do not train on it"
    assert warning in card_of(facts_of(is_demonstration=True)).split("## ")[0]
    assert warning not in card_of()


def test_the_guarantees_are_those_of_the_configuration() -> None:
    assert "character for character" in card_of()
    whole = config_of().model_copy(update={"smooth": config_of().smooth.model_copy(update={"scope": "whole"})})
    assert "character for character" not in card_of(config=whole)
    assert "none of these test sets: `gsm8k-test`, `math-test`" in card_of()
    assert "not checked against any test set" in card_of(facts_of(decontaminated=()))


def test_what_stood_in_test_sets_is_counted_by_source_and_by_how_it_was_found() -> None:
    overlaps = (OverlapFacts("gsm8k", "math-test", 0, 2), OverlapFacts("math", "math-test", 5, 196))
    text = card_of(facts_of(overlaps=overlaps))
    assert "| `math` | `math-test` | 5 | 196 |" in text
    assert "| `gsm8k` | `math-test` | 0 | 2 |" in text
    assert "None was found." in card_of()
    assert "Test questions left out" not in card_of(facts_of(decontaminated=()))


@pytest.mark.parametrize("text", HOSTILE)
def test_no_name_and_no_text_breaks_it(text: str) -> None:
    facts = facts_of(
        sources=(SourceFacts(text, 1, text),),
        students=(text,),
        teacher=text,
        decontaminated=(text,),
        overlaps=(OverlapFacts(text, text, 1, 2),),
        stages=(StageFacts(text, 1, 0, {text: 1}),),
        target={text: 1.0},
    )
    honest = card_of(
        facts_of(overlaps=(OverlapFacts("math", "math-test", 1, 2),)), example=row_of(trajectory_of(problem_of(1)))
    )
    hostile = card_of(facts, example=row_of(trajectory_of(problem_of(1, text), reflection=text or " ")))
    assert front_matter(hostile) == front_matter(honest)
    assert headings(hostile) == headings(honest)


def headings(text: str) -> list[str]:
    """Headings outside fenced blocks, as CommonMark has them."""
    found, fence = [], ""
    for line in text.split("\n"):
        run = line[: len(line) - len(line.lstrip("`"))]
        if fence:
            fence = "" if len(run) >= len(fence) and line == run else fence
        elif len(run) >= 3:
            fence = run
        elif line.startswith("#"):
            found.append(line)
    assert not fence
    return found


def test_a_run_that_injected_nothing_has_a_card() -> None:
    assert "none (all mistakes were injected)" in card_of(facts_of(students=(), target={}))
    assert "error type" not in card_of(facts_of(target={}), problems=0)


def test_the_card_says_what_injection_aimed_at_and_what_it_came_to() -> None:
    types = {"missing_step": {"target": 0.25, "drawn": 9, "kept": 4, "share": 0.2}}
    came_to: dict[str, Any] = {"slots": 21, "kept": 20, "shortfall": 1, "total_variation": 0.05, "types": types}
    text = card_of(facts_of(injected={"gsm8k": came_to}))
    assert "| `gsm8k` | `missing_step` | 25.0 % | 9 | 4 | 20.0 % |" in text
    assert "`gsm8k`: 20 of 21 mistakes made, 1 short; total variation distance from the target 0.050." in text
