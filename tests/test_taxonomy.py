from __future__ import annotations

from pathlib import Path

import pytest

from lemma.errors import ConfigError
from lemma.taxonomy import load_taxonomy, parse_error_type

NAMES = {
    "adding_irrelevant_information",
    "calculation_error",
    "concept_confusion",
    "counting_error",
    "formula_confusion",
    "missing_step",
    "nonsensical_output",
    "operator_error",
    "question_misinterpretation",
    "referencing_context_value_error",
    "referencing_previous_step_value_error",
    "unit_conversion_error",
}
SIGN = """---
title: Sign error
injectable: true
---
## Definition
A sign is lost.
## Not this
A number is lost.
## Making one
Lose a sign.
## Example: word problem
Right: -3
Wrong: 3
"""


def test_the_papers_types_are_all_there_and_no_other() -> None:
    assert set(load_taxonomy()) == NAMES


@pytest.mark.parametrize("name", sorted(NAMES))
def test_each_type_is_told_from_its_neighbours_and_shown(name: str) -> None:
    kind = load_taxonomy()[name]
    assert kind.name == name
    assert any(other in kind.not_when for other in (NAMES - {name}) | {"referencing error", "other type"})
    assert set(kind.examples) == {"word problem", "competition mathematics"}
    for texts in kind.examples.values():
        assert len(texts) == 2
        assert all("Question:" in text and "Wrong step:" in text and "Why:" in text for text in texts)
        assert all(("Right step:" in text) is kind.injectable for text in texts)
    assert kind.definition in kind.brief()


def test_each_type_but_nonsense_can_be_injected_and_says_how() -> None:
    kinds = load_taxonomy().values()
    assert {kind.name for kind in kinds if not kind.injectable} == {"nonsensical_output"}
    assert all(bool(kind.making) is kind.injectable for kind in kinds)
    for kind in kinds:
        for shown, other in (("word problem", "competition mathematics"), ("competition mathematics", "word problem")):
            lesson = kind.lesson(shown)
            assert kind.making in lesson
            assert all(text in lesson for text in kind.examples[shown])
            assert not any(text in lesson for text in kind.examples[other])


def test_a_users_folder_adds_and_replaces_types(tmp_path: Path) -> None:
    folder = tmp_path / "error_types"
    folder.mkdir()
    (folder / "sign_error.md").write_text(SIGN, encoding="utf-8")
    (folder / "counting_error.md").write_text(SIGN.replace("Sign error", "Miscount"), encoding="utf-8")
    taxonomy = load_taxonomy(tmp_path)
    assert set(taxonomy) == NAMES | {"sign_error"}
    assert list(taxonomy) == sorted(taxonomy)
    assert taxonomy["sign_error"].definition == "A sign is lost."
    assert taxonomy["sign_error"].examples == {"word problem": ("Right: -3\nWrong: 3",)}
    assert "Right: -3" in taxonomy["sign_error"].lesson("competition mathematics")
    assert taxonomy["counting_error"].title == "Miscount"
    assert taxonomy["counting_error"].hash != load_taxonomy()["counting_error"].hash


def test_a_folder_without_types_changes_nothing(tmp_path: Path) -> None:
    assert load_taxonomy(tmp_path) == load_taxonomy()


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("Sign Error", SIGN, "a-z"),
        ("sign_error", "## Definition\nx\n", "no front matter"),
        ("sign_error", SIGN.replace("title: Sign error\n", ""), "'title'"),
        ("sign_error", SIGN.replace("## Not this", "## Nothing"), "'Not this'"),
        ("sign_error", SIGN.replace("true", "perhaps"), "true or false"),
        ("sign_error", SIGN.replace("## Making one", "## Doing it"), "## Making one"),
        ("sign_error", SIGN.replace("title: ", "title: ["), "no YAML"),
        ("sign_error", "---\n- a\n---\n## Definition\n", "no mapping"),
    ],
)
def test_a_file_of_another_form_is_told_by_name(name: str, text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told) as caught:
        parse_error_type(name, text, "folder/x.md")
    assert "folder/x.md" in str(caught.value)
