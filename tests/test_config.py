"""The configuration: what is refused, what is content, and how overrides reach it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from lemma.config import OPERATIONAL, Config, Section
from lemma.configfile import load_config, parse_config
from lemma.errors import ConfigError

MINIMAL: dict[str, Any] = {"data": [{"dataset": "gsm8k", "path": "train.jsonl"}]}


def parse(**more: Any) -> Config:
    return parse_config(MINIMAL | more, "c.yaml")


def load(tmp_path: Path, text: str, *overrides: str, limit: int | None = None) -> Config:
    path = tmp_path / "c.yaml"
    path.write_text(text, encoding="utf-8")
    return load_config(path, overrides, limit)


# ── defaults and forms ──


def test_one_data_source_is_all_that_is_needed() -> None:
    config = parse()
    assert config.teacher.backend == "rules"
    assert config.student is None
    assert config.decontaminate == ["gsm8k-test", "math-test"]
    assert config.correct.strategies == ["fix_continue", "fresh_restart"]
    assert config.smooth.scope == "joint"


def test_a_configuration_is_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        parse().seed = 3


def test_a_bare_off_switches_smoothing_off(tmp_path: Path) -> None:
    config = load(tmp_path, "data: [{dataset: gsm8k, path: x}]\nsmooth: {scope: off}")
    assert config.smooth.scope == "off"


def test_utf8_and_comments_are_read(tmp_path: Path) -> None:
    config = load(tmp_path, "# ×\ndata: [{dataset: gsm8k, path: 数.jsonl}]\nanswer_form: '答え: {answer}'")
    assert (config.data[0].path, config.answer_form) == ("数.jsonl", "答え: {answer}")


def test_a_configuration_read_back_from_its_own_dump_is_the_same() -> None:
    config = parse(inject={"types": {"calculation_error": 1}}, prompts="my/prompts", smooth={"scope": "off"})
    assert Config.model_validate(config.model_dump(mode="json")) == config


# ── what is refused ──


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"sead": 1}, "unknown key `sead`; did you mean `seed`?"),
        ({"xyzzy": 1}, "unknown key `xyzzy`; known here: seed, data, "),
        ({"teacher": {"tempreature": 1}}, "unknown key `teacher.tempreature`; did you mean `temperature`?"),
        (
            {"teacher": {"prices": {"input_usd": 1}}},
            "unknown key `teacher.prices.input_usd`; did you mean `input_usd_per_mtok`?",
        ),
        ({"student": {"model": "m", "tempratur": 1}}, "unknown key `student.tempratur`"),
        ({"teacher": {"backend": "opnai", "model": "m"}}, "`teacher.backend` input should be"),
        ({"teacher": {"backend": "openai"}}, "`teacher` needs a `model`"),
        ({"teacher": {"model": "gpt-4o"}}, "needs `backend: openai`"),
        ({"teacher": {"temperature": 3}}, "`teacher.temperature`"),
        ({"teacher": {"attempts": 0}}, "`teacher.attempts`"),
        ({"student": {}}, "the key `student.model` is missing"),
        ({"sample": {"num_samples": 0}}, "`sample.num_samples`"),
        ({"sample": {"num_samples": 2.5}}, "`sample.num_samples`"),
        ({"sample": None}, "`sample`"),
        ({"shards": {"size": 0}}, "`shards.size`"),
        ({"inject": {"types": "analyzed"}}, "`inject.types"),
        ({"inject": {"types": {}}}, "the shares add up to 0"),
        ({"inject": {"types": {"calculation_error": 0}}}, "the shares add up to 0"),
        ({"inject": {"types": {"calculation_error": -1}}}, "`inject.types"),
        ({"inject": {"min_share": 1}}, "`inject.min_share`"),
        ({"correct": {"strategies": ["fix_continue", "fix_continue"]}}, "a strategy stands there twice"),
        ({"smooth": {"scope": "all"}}, "`smooth.scope`"),
        ({"answer_form": "{answer} or {answer}"}, "must hold the place {answer} exactly once"),
        ({"answer_form": "{}"}, "must hold the place {answer} exactly once"),
        ({"data": []}, "`data`"),
        ({"data": [{"dataset": "gsm8k", "path": "x", "limit": 0}]}, "`data.0.limit`"),
        ({"data": "train.jsonl"}, "`data`"),
        ({"export": {"plain_share": 1}}, "`export.plain_share`"),
    ],
)
def test_what_is_wrong_is_told_with_its_key_in_one_line(more: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(**more)
    message = str(caught.value)
    assert says in message
    assert message.startswith("c.yaml: ")
    assert "\n" not in message
    assert len(message) < 1000


def test_a_huge_wrong_value_is_quoted_in_brief() -> None:
    with pytest.raises(ConfigError) as caught:
        parse(seed="x" * 100_000)
    assert len(str(caught.value)) < 300


def test_several_faults_are_told_together() -> None:
    with pytest.raises(ConfigError, match=r"`teacher\.atempts`.*; c\.yaml: .*`sead`"):
        parse(sead=1, teacher={"atempts": 1})


@pytest.mark.parametrize(
    "text",
    [
        "data: [{dataset: gsm8k, path: x}]\nseed: !!python/object/apply:os.system ['true']",
        "data: &a [*a]",
        "data: [{dataset: gsm8k, path: x}]\n? [a, b]\n: 1",
        "data: [{dataset: gsm8k, path: x}]\n? {a: 1}\n: 1",
        "a: 1\n---\nb: 2",
        "\t",
        "data: [{dataset: gsm8k, path: x}]\n1: 2",
        "data: [{dataset: gsm8k, path: x}]\nnull: 2",
    ],
)
def test_strange_yaml_is_told_in_one_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert "\n" not in str(caught.value)


def test_merge_keys_of_yaml_work_and_are_no_doubled_key(tmp_path: Path) -> None:
    text = (
        "data: [{dataset: gsm8k, path: x}]\n"
        "student: &e {model: a, base_url: http://127.0.0.1:1/v1, concurrency: 3}\n"
        "teacher: {<<: *e, backend: openai, model: b}"
    )
    config = load(tmp_path, text)
    assert (config.teacher.model, config.teacher.concurrency) == ("b", 3)


# ── overrides ──


def test_overrides_reach_deep_and_into_lists_and_are_read_as_yaml(tmp_path: Path) -> None:
    text = "data: [{dataset: gsm8k, path: x}, {dataset: math, path: y}]"
    config = load(
        tmp_path,
        text,
        "data.1.limit=7",
        "teacher.prices.input_usd_per_mtok=2.5",
        "inject.types={calculation_error: 1, missing_step: 1.5}",
        "answer_form='= {answer}'",
        "prompts=null",
        "student={model: m}",
        "student.api=completions",
    )
    assert config.data[1].limit == 7
    assert config.data[0].limit is None
    assert config.teacher.prices.input_usd_per_mtok == 2.5
    assert config.inject.types == {"calculation_error": 1, "missing_step": 1.5}
    assert config.answer_form == "= {answer}"
    assert config.student is not None
    assert config.student.api == "completions"


def test_a_value_may_hold_equals_signs(tmp_path: Path) -> None:
    config = load(tmp_path, "data: [{dataset: gsm8k, path: x}]", "answer_form='a = b = {answer}'")
    assert config.answer_form == "a = b = {answer}"


def test_the_limit_of_the_command_line_goes_to_every_source(tmp_path: Path) -> None:
    text = "data: [{dataset: gsm8k, path: x, limit: 3}, {dataset: math, path: y}]"
    assert [source.limit for source in load(tmp_path, text, limit=5).data] == [5, 5]


@pytest.mark.parametrize("text", ["data: 3", "data: [x]", "data: null", "seed: 1"])
def test_a_limit_does_not_hide_what_is_wrong_with_the_data(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="`data"):
        load(tmp_path, text, limit=5)


# ── content and operational keys ──


def sections(kind: type[BaseModel], prefix: str = "") -> dict[str, type[Section]]:
    """Every section by its dotted name."""
    found: dict[str, type[Section]] = {}
    for name, info in kind.model_fields.items():
        for part in (info.annotation, *getattr(info.annotation, "__args__", ())):
            if isinstance(part, type) and issubclass(part, Section):
                found[prefix + name] = part
                found |= sections(part, f"{prefix}{name}.")
    return found


def operational_keys() -> set[str]:
    keys = {name for name, info in Config.model_fields.items() if info.json_schema_extra == OPERATIONAL}
    for prefix, kind in sections(Config).items():
        keys |= {
            f"{prefix}.{name}" for name, info in kind.model_fields.items() if info.json_schema_extra == OPERATIONAL
        }
    return keys


ENDPOINT_KEYS = {"backend", "base_url", "api_key_env", "headers", "prices"} | {
    "concurrency",
    "rpm",
    "tpm",
    "timeout_s",
    "patience_s",
}


def test_what_decides_no_record_is_operational_and_nothing_else() -> None:
    endpoints = {f"{role}.{key}" for role in ("student", "teacher") for key in ENDPOINT_KEYS}
    others = {
        "budget",
        "data.limit",
        "eval.sets",
        "executor",
        "plugins",
        "prompts",
        "shards",
        "shards.leases",
        "shards.size",
        "storage",
    }
    assert operational_keys() == others | endpoints


def test_operational_keys_change_no_content() -> None:
    plain = parse(teacher={"backend": "openai", "model": "m"})
    other = parse(
        data=[{"dataset": "gsm8k", "path": "train.jsonl", "limit": 3}],
        shards={"size": 7},
        prompts="mine",
        teacher={
            "backend": "openai",
            "model": "m",
            "base_url": "http://127.0.0.1:1/v1",
            "api_key_env": "K",
            "headers": {"a": "b"},
            "concurrency": 3,
            "timeout_s": 5,
            "patience_s": 6,
            "prices": {"input_usd_per_mtok": 1},
        },
    )
    assert plain.content() == other.content()


@pytest.mark.parametrize(
    "more",
    [
        {"seed": 1},
        {"data": [{"dataset": "gsm8k", "path": "test.jsonl"}]},
        {"decontaminate": []},
        {"student": {"model": "m"}},
        {"teacher": {"temperature": 0.1}},
        {"teacher": {"backend": "openai", "model": "m"}},
        {"teacher": {"extra_body": {"top_p": 1}}},
        {"answer_form": "#### {answer}"},
        {"sample": {"num_samples": 5}},
        {"analyze": {"votes": 3}},
        {"inject": {"per_problem": 2}},
        {"correct": {"strategies": ["fix_continue"]}},
        {"smooth": {"scope": "off"}},
        {"checks": {"max_chars": 100}},
        {"export": {"validation": 0.1}},
    ],
)
def test_every_other_key_changes_content(more: dict[str, Any]) -> None:
    assert parse(**more).content() != parse().content()


def test_one_number_in_two_forms_is_one_content() -> None:
    assert parse(sample={"temperature": 1}).content() == parse(sample={"temperature": 1.0}).content()
    assert str(parse(export={"validation": 0}).content()) == str(parse(export={"validation": 0.0}).content())


def test_the_content_of_some_keys_is_a_part_of_the_whole() -> None:
    config = parse()
    whole = config.content()
    assert config.content_of("seed", "teacher", "answer_form") == {
        key: whole[key] for key in ("seed", "teacher", "answer_form")
    }
    assert "shards" not in whole
