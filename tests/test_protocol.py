"""A language-model teacher's protocol: the whole pipeline against an endpoint that answers as lemma's prompts ask for.

Bad replies come too, each about a problem of its own: every one must be set aside for its own reason, and nothing
else may suffer from it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lemma.config import Config
from lemma.pipeline import STAGES, Options, Pipeline
from lemma.stages.rounds import MAX_ROUNDS
from tests.conftest import MockServer, example_config, files_of
from tests.protocol.cases import ATTEMPTS, CASES, GOOD_NAMES, MAX_CHARS, STAGE_OF, Case, problem, write_problems
from tests.protocol.commands import reply_lines, run_lemma, write_config
from tests.protocol.rules import GOOD, INJECTED_ANSWER, by_rules, good_rules, rule, write_rules
from tests.protocol.server import Answer, Call, StubServer


def config_for(source: Path | dict[str, Any], base_url: str, **more: Any) -> Config:
    tree: dict[str, Any] = {
        "data": [{"dataset": "rollouts", "path": str(source)} if isinstance(source, Path) else source],
        "teacher": {
            "backend": "openai",
            "model": "mock-teacher",
            "base_url": base_url,
            "attempts": ATTEMPTS,
            "concurrency": 16,
        },
        "inject": {"types": {"calculation_error": 1}},
        "checks": {"max_chars": MAX_CHARS},
        "shards": {"size": 40},
    }
    return example_config(**tree | more)


def work(run: Path, config: Config, *stages: str) -> list[str]:
    said: list[str] = []
    with Pipeline(run, config, Options(quiet=True), said.append) as pipeline:
        pipeline.work(stages or STAGES)
    return said


def lines(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.glob("part-*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            yield json.loads(line)


def case_of(question: str) -> str:
    return question.removeprefix("Case ").partition(":")[0]


class Finished:
    """A run that is over, read from its files."""

    def __init__(self, run: Path) -> None:
        self.run = run
        self.rejected: dict[str, list[tuple[str, str, str, str]]] = {}
        """Case → (stage, label, reason, unit)."""
        for stage in STAGES[:-1]:
            for line in lines(run / stage / "rejected"):
                unit = line["unit"]
                found = (stage, unit["label"], line["reason"], unit["id"])
                self.rejected.setdefault(case_of(unit["problem"]["question"]), []).append(found)
        self.rows = [json.loads(line) for line in (run / "export/train.jsonl").read_text("utf-8").splitlines()]
        self.rows_of = Counter(case_of(row["instruction"]) for row in self.rows)
        self.replies = [json.loads(line) for line in reply_lines(run)]
        self.calls = Counter(reply["unit"] for reply in self.replies)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder = tmp_path_factory.mktemp("protocol")
    rows = [problem(name, number) for number, name in enumerate(GOOD_NAMES)]
    rows += [problem(case.name, 20 + number, case.has_right_sample) for number, case in enumerate(CASES)]
    data = write_problems(folder / "problems.jsonl", rows)
    rules = write_rules(folder / "rules.jsonl", [*(case.rule() for case in CASES), *good_rules()])
    server = MockServer("--reply-file", str(rules))
    try:
        work(folder / "run", config_for(data, server.base_url))
        stats = server.stats()
    finally:
        server.stop()
    found = Finished(folder / "run")
    assert stats["requests"] == stats["distinct"] == len(found.replies) > 800
    return found


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_bad_reply_is_set_aside_for_its_own_reason(finished: Finished, case: Case) -> None:
    rejected = finished.rejected[case.name]
    assert {(stage, reason) for stage, _, reason, _ in rejected} == {(STAGE_OF[case.prompt], case.reason)}
    assert not case.label or {label for _, label, _, _ in rejected} == {case.label}


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_only_an_unreadable_reply_earns_another_call(finished: Finished, case: Case) -> None:
    assert {finished.calls[unit] for _, _, _, unit in finished.rejected[case.name]} == {case.calls}


def test_good_replies_are_exported_and_bad_ones_take_nothing_else_with_them(finished: Finished) -> None:
    assert not set(finished.rejected) & set(GOOD_NAMES)
    expected = dict.fromkeys(GOOD_NAMES, 4)
    # two mistakes, each corrected in two ways: a bad reply to one prompt costs half of that, at the end all
    expected |= {case.name: 2 for case in CASES if STAGE_OF[case.prompt] != "smooth"}
    assert finished.rows_of == expected
    assert {row["origin"] for row in finished.rows} == {"student", "injected"}
    assert {row["strategy"] for row in finished.rows} == {"fix_continue", "fresh_restart"}


def test_counts_add_up_in_every_stage(finished: Finished) -> None:
    for stage in STAGES[:-1]:
        manifests = [json.loads(path.read_text()) for path in (finished.run / stage).glob("part-*.manifest")]
        kept, rejected = (sum(manifest[key] for manifest in manifests) for key in ("kept", "rejected"))
        assert sum(manifest["units"] for manifest in manifests) == kept + rejected
        assert kept == len(list(lines(finished.run / stage)))
        assert rejected == sum(found[0] == stage for every in finished.rejected.values() for found in every)


def test_an_injection_that_failed_is_tried_again_and_one_that_was_declined_is_not(finished: Finished) -> None:
    # in every round from the first that asks its slot: the first or the second
    assert len(finished.rejected["inject-unchanged"]) in (MAX_ROUNDS - 1, MAX_ROUNDS)
    assert len(finished.rejected["inject-declined"]) == 1


def test_a_wrong_answer_that_is_called_correct_is_never_used_as_gold(finished: Finished) -> None:
    rows = [row for row in finished.rows if case_of(row["instruction"]) == "analyze-correct"]
    wrong = next(line for line in lines(finished.run / "sample") if "analyze-correct" in line["problem"]["question"])
    claim = wrong["text"].splitlines()[0]
    assert len(rows) == 2
    assert all(claim not in row["output"] and row["origin"] == "injected" for row in rows)


def test_a_new_start_is_the_students_own_right_solution(finished: Finished) -> None:
    restarts = [row for row in finished.rows if row["strategy"] == "fresh_restart" and row["origin"] == "student"]
    rows = [row for row in restarts if case_of(row["instruction"]) in GOOD_NAMES]
    assert len(rows) == len(GOOD_NAMES)
    assert all("it is" in row["output"] and "less than all" in row["output"] for row in rows)


def test_rows_begin_with_the_mistake_and_end_in_the_answer(finished: Finished) -> None:
    for row in finished.rows:
        start, end = row["spans"]["prefix"]
        prefix = row["output"][start:end]
        assert prefix.startswith("Ann has") or prefix.startswith("Without the")
        assert ("999900" in prefix) == (row["origin"] == "injected")
        assert "Hold on." in row["output"]
        assert INJECTED_ANSWER not in row["output"]
        assert row["output"].splitlines()[-1].startswith("The answer is: ")


def test_every_refused_or_empty_reply_is_kept_with_what_was_said(finished: Finished) -> None:
    reasons = Counter(reply["finish_reason"] for reply in finished.replies)
    assert reasons["refused"] == sum(
        finished.calls[unit]
        for case in CASES
        if case.more.get("status") == 400
        for _, _, _, unit in finished.rejected[case.name]
    )
    assert all(reply["detail"] for reply in finished.replies if reply["finish_reason"] == "refused")
    assert reasons["length"] > 0
    assert reasons["content_filter"] > 0


def test_smoothing_the_whole_text_keeps_the_wrong_claim_or_the_row_is_set_aside(tmp_path: Path) -> None:
    bad = {
        "gone": ("error_removed", GOOD["smooth_whole"].replace("\\g<prefix>", "Ann thinks about her many boxes.")),
        "no-prefix": ("missing_tag", GOOD["smooth_joint"]),
        "leaked": ("leaked_reference", GOOD["smooth_whole"].replace("Hold on.", "The given solution says no.")),
        "wrong": ("wrong_answer", GOOD["smooth_whole"].replace("\\g<continuation>", "So no.\nThe answer is: 1234567")),
    }
    rows = [problem(name, number) for number, name in enumerate(["good-1", *bad])]
    data = write_problems(tmp_path / "problems.jsonl", rows)
    rules = [rule("smooth_whole", text, rf"Case {name}: .*?") for name, (_, text) in bad.items()]
    with StubServer(by_rules([*rules, *good_rules()])) as server:
        work(tmp_path / "run", config_for(data, server.base_url, smooth={"scope": "whole"}))
    found = Finished(tmp_path / "run")
    assert found.rows_of == {"good-1": 4}
    for name, (reason, _) in bad.items():
        assert {one[2] for one in found.rejected[name]} == {reason}
        assert len(found.rejected[name]) == 4


def test_a_reply_that_fits_under_the_raised_cap_is_kept(tmp_path: Path, mock_server: Callable[..., MockServer]) -> None:
    long = GOOD["analyze"].replace("The very first", "hm " * 300 + "The very first")
    rules = write_rules(tmp_path / "rules.jsonl", [rule("analyze", long)])
    data = write_problems(tmp_path / "problems.jsonl", [problem("long", 1)])
    server = mock_server("--reply-file", str(rules))
    config = config_for(data, server.base_url)
    teacher = config.teacher.model_copy(update={"max_tokens": 250})
    work(tmp_path / "run", config.model_copy(update={"teacher": teacher}), "sample", "analyze")
    assert len(list(lines(tmp_path / "run/analyze"))) == 1
    assert [json.loads(line)["finish_reason"] for line in reply_lines(tmp_path / "run")] == ["length", "stop"]


def test_a_readable_reply_at_a_later_attempt_counts(tmp_path: Path, mock_server: Callable[..., MockServer]) -> None:
    rules = write_rules(tmp_path / "rules.jsonl", [rule("analyze", ["Step 1 is odd.", GOOD["analyze"]])])
    data = write_problems(tmp_path / "problems.jsonl", [problem(f"luck-{number}", number) for number in range(40)])
    server = mock_server("--reply-file", str(rules))
    work(tmp_path / "run", config_for(data, server.base_url), "sample", "analyze")
    calls = Counter(json.loads(line)["unit"] for line in reply_lines(tmp_path / "run"))
    kept = len(list(lines(tmp_path / "run/analyze")))
    assert set(calls.values()) == {1, 2, 3}
    assert kept + len(list(lines(tmp_path / "run/analyze/rejected"))) == len(calls) == 40
    assert kept > 25


# ── the student ──


def student_rules(names: list[str]) -> list[dict[str, Any]]:
    """Four solutions of each problem: wrong, right, without an answer, one that nobody can judge."""
    rules = []
    for number, name in enumerate(names):
        row = problem(name, number)
        wrong, right = (sample["text"] for sample in row["samples"])
        texts = [wrong, right, "I do not know where to begin here.", "So it is \\boxed{9^{9^{9^9}}}"]
        escaped = [text.replace("\\", "\\\\") for text in texts]
        rules.append(rule("sample", escaped, rf"Case {name}: .*?"))
    return rules


def without_samples(folder: Path, names: list[str]) -> dict[str, Any]:
    """The same problems as a source that has no solutions by a student."""
    data = write_problems(folder / "plain.jsonl", (problem(name, number) for number, name in enumerate(names)))
    return {"dataset": "gsm8k", "path": str(data)}


@pytest.mark.parametrize("api", ["chat", "completions"])
def test_the_student_is_sampled_and_its_answers_are_judged(tmp_path: Path, api: str) -> None:
    names = [f"student-{number}" for number in range(6)]
    with StubServer(by_rules([*student_rules(names), *good_rules()])) as server:
        student = {"model": "sft", "base_url": server.base_url, "api": api, "concurrency": 8}
        config = config_for(
            without_samples(tmp_path, names), server.base_url, student=student, sample={"num_samples": 8}
        )
        work(tmp_path / "run", config)
        paths = Counter(call.path for call in server.calls)
    assert paths["/v1/completions"] == (48 if api == "completions" else 0)
    samples = list(lines(tmp_path / "run/sample"))
    assert len(samples) == 48
    for sample in samples:
        expected = {"Ann": False, "Wit": True}.get(sample["text"][:3])
        assert sample["is_correct"] is expected
        assert sample["model"] == sample["made_by"]["model"] == "sft"
    wrong = sum(sample["is_correct"] is False for sample in samples)
    assert 4 < wrong < 24
    asked = [call for call in server.calls if "Correct answer" in call.user and "learner" in call.user]
    assert 0 < len(asked) <= wrong
    assert {row["origin"] for row in Finished(tmp_path / "run").rows} == {"student", "injected"}


def test_the_student_is_sampled_through_the_mock(tmp_path: Path, mock_server: Callable[..., MockServer]) -> None:
    names = ["student-1", "student-2"]
    rules = write_rules(tmp_path / "rules.jsonl", student_rules(names))
    server = mock_server("--reply-file", str(rules))
    student = {"model": "sft", "base_url": server.base_url}
    work(
        tmp_path / "run",
        config_for(without_samples(tmp_path, names), server.base_url, student=student, sample={"num_samples": 6}),
        "sample",
    )
    texts = [sample["text"] for sample in lines(tmp_path / "run/sample")]
    assert len(texts) == 12
    assert len(set(texts)) > 4
    assert server.stats()["requests"] == 12


# ── the command, and what is paid for when something changes ──


def test_the_command_runs_all_stages_on_real_problems(tmp_path: Path, mock_server: Callable[..., MockServer]) -> None:
    server = mock_server("--reply-file", str(write_rules(tmp_path / "rules.jsonl", good_rules())))
    tree = config_for({"dataset": "rollouts", "path": "example:gsm8k", "limit": 25}, server.base_url)
    config = write_config(tmp_path / "c.yaml", tree.model_dump(mode="json"))
    ended = run_lemma("run", config, "-o", tmp_path / "run", "--quiet")
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""
    for word in ("sample", "analyze", "inject", "correct", "smooth", "export"):
        assert word in ended.stdout
    for stage in ("analyze", "inject", "correct", "smooth"):
        manifests = [json.loads(path.read_text()) for path in (tmp_path / "run" / stage).glob("part-*.manifest")]
        units, kept = (sum(manifest[key] for manifest in manifests) for key in ("units", "kept"))
        assert units > 20
        assert kept >= 0.9 * units, stage
    rows = (tmp_path / "run/export/train.jsonl").read_text("utf-8").splitlines()
    assert len(rows) > 100
    before = files_of(tmp_path / "run", with_replies=True)
    assert run_lemma("run", config, "-o", tmp_path / "run", "--quiet").stdout == ended.stdout
    assert files_of(tmp_path / "run", with_replies=True) == before
    assert server.stats()["requests"] == len(reply_lines(tmp_path / "run"))


class Counting:
    """A good endpoint that counts what it is asked, by prompt and by problem."""

    def __init__(self) -> None:
        self._answer = by_rules(good_rules())
        self.prompts: Counter[str] = Counter()
        self.problems: Counter[str] = Counter()

    def __call__(self, call: Call) -> Answer:
        first = call.body["messages"][0]["content"]
        self.prompts["smooth" if "three parts" in first else "other"] += 1
        self.problems[case_of(call.user[call.user.index("Case ") :])] += 1
        return self._answer(call)


def test_a_changed_prompt_pays_only_for_its_stage(tmp_path: Path) -> None:
    data = write_problems(tmp_path / "p.jsonl", [problem(f"p{number}", number) for number in range(6)])
    counting = Counting()
    with StubServer(counting) as server:
        config = config_for(data, server.base_url)
        work(tmp_path / "run", config)
        before = files_of(tmp_path / "run", with_replies=True)
        assert counting.prompts == {"other": 6 + 6 + 24, "smooth": 24}
        (tmp_path / "prompts").mkdir()
        text = (Path(__file__).parent.parent / "lemma/prompts/smooth_joint.md").read_text("utf-8")
        (tmp_path / "prompts/smooth_joint.md").write_text(text.replace("What to attend to", "Attend to"))
        said = work(tmp_path / "run", config.model_copy(update={"prompts": tmp_path / "prompts"}))
        assert counting.prompts == {"other": 36, "smooth": 48}
        assert any(line.startswith("reopened: smooth, export") for line in said)
        after = files_of(tmp_path / "run", with_replies=True)
        earlier = [name for name in before if not name.startswith(("smooth", "export"))]
        assert all(after[name] == before[name] for name in earlier)
        # and back again: all replies are still there
        work(tmp_path / "run", config)
        assert counting.prompts == {"other": 36, "smooth": 48}
    again = files_of(tmp_path / "run")
    assert again == {name: raw for name, raw in before.items() if name in again}


def test_a_raised_limit_pays_only_for_new_problems(tmp_path: Path) -> None:
    data = write_problems(tmp_path / "p.jsonl", [problem(f"p{number}", number) for number in range(10)])
    counting = Counting()
    with StubServer(counting) as server:
        source = {"dataset": "rollouts", "path": str(data)}
        few, all_of_them = (
            config_for(source | {"limit": limit}, server.base_url, shards={"size": 4}) for limit in (6, 10)
        )
        work(tmp_path / "run", few)
        assert set(counting.problems) == {f"p{number}" for number in range(6)}
        counting.problems.clear()
        work(tmp_path / "run", all_of_them)
        assert set(counting.problems) == {f"p{number}" for number in range(6, 10)}
        work(tmp_path / "whole", all_of_them)
    grown, whole = files_of(tmp_path / "run"), files_of(tmp_path / "whole")
    del grown["inject/target.json"], whole["inject/target.json"]  # frozen when there were six mistakes
    assert grown == whole


def test_operational_keys_pay_for_nothing(tmp_path: Path) -> None:
    data = write_problems(tmp_path / "p.jsonl", [problem(f"p{number}", number) for number in range(3)])
    counting = Counting()
    with StubServer(counting) as server:
        config = config_for(data, server.base_url)
        work(tmp_path / "run", config)
        before, asked = files_of(tmp_path / "run", with_replies=True), len(server.calls)
        more = {
            "concurrency": 2,
            "timeout_s": 7,
            "patience_s": 9,
            "headers": {"X-A": "b"},
            "base_url": "http://127.0.0.1:9/v1",
        }
        more |= {"prices": {"input_usd_per_mtok": 1.0, "output_usd_per_mtok": 2.0}}
        changed = Config.model_validate(config.model_dump() | {"teacher": config.teacher.model_dump() | more})
        assert work(tmp_path / "run", changed) == []
        assert len(server.calls) == asked
    assert files_of(tmp_path / "run", with_replies=True) == before
