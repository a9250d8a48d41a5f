"""The worked example of docs/plugins.md, run as a user would, and what is said of plugins that fail."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT, MockServer
from tests.protocol.commands import run_lemma
from tests.protocol.rules import good_rules, write_rules

EXAMPLE = ROOT / "examples" / "plugin.py"
CHECK_BACK = {
    "match": r"\AProblem to check back:.*Answer line: (?P<answer_line>[^\n]*)\Z",
    "reply": "<reflection>If it were 22, then 4 bags of 5 would hold 22, but 4 * 5 = 20.</reflection>\n"
    "<continuation>So there are 20 sweets, and 20 - 2 = 18 are left.\n\\g<answer_line></continuation>",
    "expand": True,
}


def test_the_page_shows_the_example_as_it_is() -> None:
    page = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
    assert f"```python\n{EXAMPLE.read_text(encoding='utf-8')}```" in page


def test_a_plugins_dataset_strategy_error_type_and_export_are_used(
    tmp_path: Path, mock_server: Callable[..., MockServer]
) -> None:
    questions = tmp_path / "questions.jsonl"
    solution = "4 bags of 5 hold 4 * 5 = 20 sweets.\n20 - 2 = 18 are left."
    rows = [
        {"q": f"Tim {n} has 4 bags of 5 sweets and eats 2. How many are left?", "steps": solution, "a": "18"}
        for n in range(3)
    ]
    questions.write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"q": "No solution"}\n')
    server = mock_server("--reply-file", str(write_rules(tmp_path / "rules.jsonl", [CHECK_BACK, *good_rules()])))
    tree = {
        "plugins": [str(EXAMPLE)],
        "data": [{"dataset": "short_answer", "path": str(questions)}],
        "decontaminate": [],
        "teacher": {"backend": "openai", "model": "m", "base_url": server.base_url},
        "inject": {"types": {"rounding_error": 1}},
        "correct": {"strategies": ["check_back"]},
        "smooth": {"scope": "off"},
        "export": {"formats": ["prompt_completion"]},
    }
    config, run = tmp_path / "config.yaml", tmp_path / "run"
    config.write_text(yaml.safe_dump(tree))
    ended = run_lemma("run", config, "-o", run, "--quiet")
    assert ended.returncode == 0, ended.stderr
    made = [json.loads(line) for line in (run / "export" / "prompts.jsonl").read_text().splitlines()]
    assert len(made) == 3
    assert all("If it were 22" in row["completion"] for row in made)
    [row, *_] = [json.loads(line) for line in (run / "export" / "train.jsonl").read_text().splitlines()]
    assert (row["strategy"], row["error_type"], row["dataset"]) == ("check_back", "rounding_error", "short_answer")
    assert "missing_field" in (run / "problems" / "set_aside.jsonl").read_text()
    assert run_lemma("status", run).returncode == 0

    asked = server.stats()["requests"]
    changed = tmp_path / "plugin.py"
    changed.write_text(EXAMPLE.read_text() + "# another word\n")
    ended = run_lemma("run", config, "-o", run, "--quiet", "--set", f"plugins=[{changed}]")
    assert ended.returncode == 0, ended.stderr
    assert "plugins have changed" in ended.stderr
    assert server.stats()["requests"] == asked  # it asks the very same


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "there is no file"),
        ("import nowhere_to_be_found\n", "line 1: ModuleNotFoundError"),
        ("x = 1\nx = (\n", "line 2: SyntaxError"),
        ("from lemma.plugins import add_error_type\n\nadd_error_type('an_error', 'no form')\n", "has no front matter"),
    ],
)
def test_a_plugin_that_fails_is_told_in_one_line(tmp_path: Path, text: str | None, told: str) -> None:
    plugin = tmp_path / "bad.py"
    if text is not None:
        plugin.write_text(text)
    config = tmp_path / "config.yaml"
    config.write_text(
        yaml.safe_dump({"plugins": [str(plugin)], "data": [{"dataset": "gsm8k", "path": "example:gsm8k"}]})
    )
    ended = run_lemma("run", config, "-o", tmp_path / "run")
    assert ended.returncode == 1
    assert told in ended.stderr
    assert str(plugin) in ended.stderr
    assert "Traceback" not in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1
