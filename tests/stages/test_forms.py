"""Each stage's reply form: what is asked, in tags and in JSON, and that both are read alike."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pytest

from lemma.errors import ConfigError, UnitError
from lemma.pipeline import Options, Pipeline
from lemma.prompts import Prompts
from lemma.stages.analyze import AnalyzeStage
from lemma.stages.base import AnalyzeUnit, CorrectUnit, Group, InjectUnit, Reply, Request, SmoothUnit
from lemma.stages.correct import CorrectStage
from lemma.stages.forms import ANALYZE, CONNECT, CORRECT, FORMS, INJECT, SMOOTH_JOINT, SMOOTH_WHOLE, Form, ReplyForm
from lemma.teacher.base import Program
from lemma.teacher.rules import RulesTeacher
from tests.conftest import example_config
from tests.stages.builders import PENCILS, PROMPTS, TAXONOMY, WRONG, asking, config, in_form, mistake, sample, tagged

BOTH = pytest.mark.parametrize("reply_form", get_args(ReplyForm))
EVERY = pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)


def read(form: Form, text: str, reply_form: ReplyForm = "json") -> dict[str, str] | str:
    """What is read, or the reason why not."""
    try:
        return form.read(Reply("k", text, "stop"), reply_form)
    except UnitError as error:
        return error.reason


@EVERY
@BOTH
def test_every_part_and_how_to_decline_is_told(form: Form, reply_form: ReplyForm) -> None:
    text = form.instructions(reply_form)
    quoted = "<{}>" if reply_form == "tags" else '"{}"'
    for name in [*(field.name for field in form.fields), "declined"]:
        assert quoted.format(name) in text
    assert ("<" in text) is (reply_form == "tags")
    assert form.declines in text


@EVERY
def test_the_schema_is_strict_and_holds_every_part_in_the_order_told(form: Form) -> None:
    format_: Any = form.response_format()
    assert (format_["type"], format_["json_schema"]["strict"]) == ("json_schema", True)
    schema = format_["json_schema"]["schema"]
    names = [field.name for field in form.fields]
    assert set(schema["properties"]) == {*names, "declined"}
    assert schema["required"] == list(schema["properties"])
    assert schema["additionalProperties"] is False
    told = form.instructions("json")
    places = [told.index(f'\n"{name}" (') for name in schema["required"]]
    assert places == sorted(places)
    assert all("null" in entry["type"] for entry in schema["properties"].values())


def test_thoughts_come_before_the_decision_and_words_are_limited_to_the_known() -> None:
    format_: Any = ANALYZE.response_format({"error_type": ["missing_step"]})
    properties = format_["json_schema"]["schema"]["properties"]
    assert list(properties)[:3] == ["analysis", "declined", "verdict"]
    assert properties["verdict"]["enum"] == ["wrong", "correct", None]
    assert properties["error_type"]["enum"] == ["missing_step", None]
    assert properties["first_error_step"]["type"] == ["integer", "null"]


@EVERY
@BOTH
def test_a_full_reply_is_read_the_same_from_either_form(form: Form, reply_form: ReplyForm) -> None:
    parts = {field.name: f'«{field.name}»\n\\frac{{1}}{{2}} \\neq 3 "x"' for field in form.fields}
    text = in_form(parts, reply_form)
    kept = {field.name: parts[field.name] for field in form.fields if field.kind != "thoughts"}
    assert read(form, text, reply_form) == kept
    assert read(form, form.example(tagged(parts), reply_form), reply_form) == kept


@BOTH
@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"reflection": "a", "continuation": "b"}, {"reflection": "a", "continuation": "b"}),
        ({"reflection": "", "continuation": "b"}, {"reflection": "", "continuation": "b"}),
        ({"reflection": "a", "continuation": " "}, "missing_tag"),
        ({"reflection": "a"}, "missing_tag"),
        ({"declined": "I cannot.", "reflection": "a"}, "mixed_reply"),
        ({"declined": "I cannot.", "reflection": ""}, "teacher_declined"),
        ({"declined": "I cannot."}, "teacher_declined"),
        ({"reflection": "[1] a\n[2] b", "continuation": "```\nc\n```"}, {"reflection": "a\nb", "continuation": "c"}),
    ],
)
def test_what_is_missing_or_declined_is_told_alike(
    reply_form: ReplyForm, parts: dict[str, str], expected: dict[str, str] | str
) -> None:
    assert read(CORRECT, in_form(parts, reply_form), reply_form) == expected


@pytest.mark.parametrize(
    "text",
    [
        '{"declined": null, "reflection": "a", "continuation": "b"}',
        '```json\n{"reflection": "a", "continuation": "b",}\n```\nDone.',
        'Here it is, for {1, 2}: {"reflection": "a", "continuation": "b"} {"other": 1}',
        '{"REFLECTION" : "a"\n "continuation":"b"',
        '{"declined": "None.", "reflection": "a", "notes": 3, "continuation": "b", "reflection": "a"}',
        '<think>{"reflection": "x"}</think>{"reflection": "a", "continuation": "b"}',
        '{"reply": {"reflection": "a", "continuation": "b"}}',
        "<reflection>a</reflection><continuation>b</continuation>",
    ],
)
def test_json_is_read_whatever_stands_around_it(text: str) -> None:
    assert read(CORRECT, text) == {"reflection": "a", "continuation": "b"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The reflection is a.", "not_json"),
        ('{"reflection": ["a"], "continuation": "b"}', "not_json"),
        ('{"reflection": "a", "continuation": "b', "not_json"),
        ("{'reflection': 'a', 'continuation': 'b'}", "not_json"),
        ('{"answer": "a"}', "not_json"),
        ('{"reflection": "a", "continuation": null}', "missing_tag"),
        ('{"reflection": "a", "continuation": "b", "continuation": "c"}', "repeated_tag"),
        ('{"reflection": "a", "continuation": "b"}\n{"reflection": "c", "continuation": "b"}', "repeated_tag"),
    ],
)
def test_json_that_is_not_there_is_not_guessed(text: str, expected: str) -> None:
    assert read(CORRECT, text) == expected


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (r"\\frac12 \\times 3\nSo", "\\frac12 \\times 3\nSo"),
        (r"\frac12 \times 3 \neq \right) \boxed{2}\nSo", "\\frac12 \\times 3 \\neq \\right) \\boxed{2}\nSo"),
        (r"\(x\) \[y\] \{z\} \, \$5 \%", r"\(x\) \[y\] \{z\} \, \$5 \%"),
        (r"\\(x\\)\nnot\ttext", "\\(x\\)\nnot\ttext"),
        (r"caf\u00e9 \ud835\udc65 \underline{a} \u12", "café 𝑥 \\underline{a} \\u12"),
        ('a "quoted" \\/ b'.replace('"', '\\"'), 'a "quoted" / b'),
        (r"half \ud835 a pair \udc65", "half \ufffd a pair \ufffd"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
    ],
)
def test_latex_is_meant_however_it_is_escaped(written: str, meant: str) -> None:
    assert read(CONNECT, f'{{"reflection": "{written}"}}') == {"reflection": meant}


@pytest.mark.parametrize(
    ("written", "text"), [("2", "2"), ("2.0", "2"), ("2.5", "2.5"), ("true", "true"), ('"2"', "2")]
)
def test_a_number_is_read_as_it_is_written(written: str, text: str) -> None:
    found = read(INJECT, f'{{"altered_step": {written}, "step": "a", "rest": null, "explanation": "b"}}')
    assert found == {"altered_step": text, "step": "a", "explanation": "b"}


def test_a_request_carries_the_schema_where_json_is_asked_for() -> None:
    group = Group(PENCILS, samples=(sample(WRONG),))
    for reply_form in get_args(ReplyForm):
        stage = AnalyzeStage(asking(reply_form), PROMPTS, TAXONOMY)
        (unit,) = stage.units(group)
        request = stage.request(unit, 0, 0, False)
        format_: Any = request.sampling.get("response_format")
        assert (format_ is not None) is (reply_form == "json")
        assert ANALYZE.instructions(reply_form) in request.messages[0]["content"]
    enum = format_["json_schema"]["schema"]["properties"]["error_type"]["enum"]
    assert enum == [*TAXONOMY, None]


def test_another_form_is_another_request_and_another_fingerprint() -> None:
    tags, as_json = (AnalyzeStage(asking(form), PROMPTS, TAXONOMY) for form in ("tags", "json"))
    assert tags.fingerprint != as_json.fingerprint


def test_the_completions_api_is_sent_no_schema() -> None:
    teacher = {"backend": "openai", "model": "teacher", "reply_form": "json", "api": "completions"}
    stage = AnalyzeStage(config(teacher=teacher), PROMPTS, TAXONOMY)
    (unit,) = stage.units(Group(PENCILS, samples=(sample(WRONG),)))
    assert "response_format" not in stage.request(unit, 0, 0, False).sampling


@pytest.mark.parametrize("is_verbatim", [False, True])
def test_a_correction_asks_only_for_what_is_not_there_yet(is_verbatim: bool) -> None:
    stage = CorrectStage(asking("json", correct={"strategies": ["fresh_restart"]}), PROMPTS, TAXONOMY)
    right = "Half a dollar each, so two bring $1.\n42 are left, which makes $21.\nA: 21"
    reference = WRONG.splitlines()[0] + "\nSo she earns $21.\n#### 21"
    problem = PENCILS.model_copy(update={"reference_solution": reference})
    samples = (sample(right, is_correct=True, answer="21"),) if is_verbatim else ()
    (unit,) = stage.units(Group(problem, samples=samples, mistakes=(mistake(),)))
    format_: Any = stage.request(unit, 0, 0, False).sampling["response_format"]
    assert unit.is_gold_verbatim is is_verbatim
    assert ("continuation" in format_["json_schema"]["schema"]["properties"]) is not is_verbatim


def test_a_prompt_of_the_users_own_needs_the_place_for_json_only(tmp_path: Path) -> None:
    places = "{{error_types}} {{question}} {{answer}} {{steps}}"
    (tmp_path / "analyze.md").write_text(f"=== user ===\n{places} Reply in tags.\n", encoding="utf-8")
    AnalyzeStage(asking("tags"), Prompts(tmp_path), TAXONOMY)
    with pytest.raises(ConfigError, match="how_to_reply"):
        AnalyzeStage(asking("json"), Prompts(tmp_path), TAXONOMY)


@pytest.mark.parametrize("example", ["It is wrong.", "<verdict>wrong"])
def test_an_example_that_has_not_the_form_is_told(example: str) -> None:
    if example.startswith("<"):
        assert json.loads(ANALYZE.example(example, "json"))["verdict"] == "wrong"
        return
    with pytest.raises(ConfigError, match="example of smooth_whole"):
        SMOOTH_WHOLE.example(example, "json")


class InJson:
    """The embedded teacher, answering in JSON."""

    def answer_now(self, request: Request) -> Reply:
        unit = request.unit
        form = {AnalyzeUnit: ANALYZE, InjectUnit: INJECT, SmoothUnit: SMOOTH_JOINT}.get(type(unit), CORRECT)
        if isinstance(unit, CorrectUnit) and unit.is_gold_verbatim:
            form = CONNECT
        text = RulesTeacher().answer_now(request).text
        return Reply(request.key, form.example(text, "json"), "stop")


def rows(run: Path, pattern: str) -> list[dict[str, Any]]:
    return [json.loads(line) for path in sorted(run.glob(pattern)) for line in path.read_text("utf-8").splitlines()]


def test_a_run_in_json_finds_what_a_run_in_tags_finds(tmp_path: Path) -> None:
    programs: dict[str, Program] = {"tags": RulesTeacher(), "json": InJson()}
    kept = {}
    for reply_form in get_args(ReplyForm):
        run = tmp_path / reply_form
        teacher = {"backend": "openai", "model": "x", "reply_form": reply_form}
        config = example_config(10, teacher=teacher, inject={"types": {"calculation_error": 1}})
        program = programs[reply_form]

        def answers(role: str, program: Program = program) -> Program:
            return program

        with Pipeline(run, config, Options(quiet=True), lambda line: None, answers) as pipeline:
            pipeline.work(["sample", "analyze", "inject", "correct", "smooth"])
        kept[reply_form] = [
            (row["solution"], row["error_type"], row["prefix_end"], row["explanation"])
            for row in rows(run, "analyze/part-*.jsonl")
        ]
        unread = {"not_json", "missing_tag", "repeated_tag", "mixed_reply"}
        assert not {row["reason"] for row in rows(run, "*/rejected/*.jsonl")} & unread
        assert rows(run, "smooth/part-*.jsonl")
    assert kept["tags"]
    assert kept["tags"] == kept["json"]
