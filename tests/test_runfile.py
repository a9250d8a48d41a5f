"""``run.yaml``: what it keeps, what it never keeps, and what it says has changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from lemma.config import Config
from lemma.configfile import parse_config
from lemma.errors import RunError
from lemma.runfile import changes, read_runfile, redacted, write_runfile

SECRET = "a-very-secret-word"


def config(**more: Any) -> Config:
    return parse_config({"data": [{"dataset": "gsm8k", "path": "x"}]} | more, "c.yaml")


def with_secrets() -> Config:
    endpoint = {
        "model": "m",
        "base_url": f"https://user:{SECRET}@host.example:8443/v1?key={SECRET}#{SECRET}",
        "headers": {"Authorization": f"Bearer {SECRET}", "X-Team": SECRET},
    }
    return config(student=endpoint, teacher=endpoint | {"backend": "openai"})


def test_a_folder_that_is_not_there_or_empty_or_only_locked_is_new(tmp_path: Path) -> None:
    assert read_runfile(tmp_path / "not-there") is None
    assert read_runfile(tmp_path) is None
    (tmp_path / ".lock").touch()
    assert read_runfile(tmp_path) is None


@pytest.mark.parametrize("name", ["thesis.txt", ".hidden", "problems", "config.yaml"])
def test_a_folder_that_holds_other_things_is_no_run(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(RunError, match="is not empty and no run of lemma; choose another folder with -o"):
        read_runfile(tmp_path)


def test_what_is_written_reads_back(tmp_path: Path) -> None:
    one = config(answer_form="答え {answer}", smooth={"scope": "off"}, prompts="my/prompts")
    write_runfile(tmp_path, one, {"sample": "abc"})
    tree = read_runfile(tmp_path)
    assert tree is not None
    assert tree["fingerprints"] == {"sample": "abc"}
    assert Config.model_validate(tree["config"]) == one
    assert "答え" in (tmp_path / "run.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "text", ["config: [", "- 1", "config: 3", "", "lemma: 1", "config: !!python/name:os.system ''"]
)
def test_a_damaged_file_is_told_in_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.yaml").write_text(text)
    with pytest.raises(RunError, match=r"run\.yaml: .*remove it, it is made anew") as caught:
        read_runfile(tmp_path)
    assert "\n" not in str(caught.value)


def test_no_secret_is_kept(tmp_path: Path) -> None:
    write_runfile(tmp_path, with_secrets(), {})
    text = (tmp_path / "run.yaml").read_text(encoding="utf-8")
    assert SECRET not in text
    assert "user" not in text
    tree = yaml.safe_load(text)["config"]
    for role in ("student", "teacher"):
        assert tree[role]["base_url"] == "https://host.example:8443/v1"
        assert set(tree[role]["headers"]) == {"Authorization", "X-Team"}


def test_a_configuration_without_its_secrets_has_not_changed() -> None:
    assert changes(redacted(with_secrets()), with_secrets()) == []


def test_changes_name_the_key_with_both_values() -> None:
    before = redacted(config(sample={"temperature": 0.7}, correct={"strategies": ["fix_continue"]}))
    after = config(sample={"temperature": 0.2}, student={"model": "m"}, seed=4)
    told = changes(before, after)
    assert "seed 0 → 4" in told
    assert "sample.temperature 0.7 → 0.2" in told
    assert "correct.strategies.1 none → fresh_restart" in told
    assert "student.model none → m" in told
    assert len([line for line in told if line.startswith("sample")]) == 1


def test_operational_changes_are_none() -> None:
    before = redacted(config(shards={"size": 3}, teacher={"concurrency": 2}))
    assert changes(before, config(shards={"size": 5}, teacher={"concurrency": 9, "timeout_s": 3})) == []


def test_a_file_of_another_version_is_no_error() -> None:
    assert changes({"data": [], "no_such_key": 1}, config()) == []
