"""The status of a run agrees with its files: finished, interrupted, killed, going on, or of another version."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from lemma.audit.rows import draw
from lemma.audit.verdicts import CLAIMS, VerdictFile
from lemma.batch.waves import WaveFacts, Waves, write_for_good
from lemma.errors import RunError
from lemma.failures import NAME, FailureLog
from lemma.pipeline import STAGES, Options, Pipeline
from lemma.plan import Plan, StagePlan, write_plan
from lemma.status import read_status, status_table
from lemma.teacher.scripted import ScriptedTeacher
from tests.conftest import ROOT, MockServer, example_config
from tests.protocol.commands import start_lemma, write_config
from tests.protocol.rules import good_rules, write_rules
from tests.test_plan import answers, config_of

PATIENCE_S = 120.0


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made by two models at a price, with an estimate and an audit beside it."""
    run = tmp_path_factory.mktemp("status") / "run"
    models = iter(["m-old", "m-new"] * 100_000)
    teacher = ScriptedTeacher(lambda request, before: replace(answers(request, before), model=next(models)))
    config = config_of(12)
    with Pipeline(run, config, Options(quiet=True), lambda line: None, lambda role: teacher) as pipeline:
        pipeline.work(STAGES)
    write_plan(run, Plan(12, [StagePlan("analyze", 20, 21, 20, 0.1, 100, 100, 0.01, "a guess")]).tree())
    rows = draw(run, "smooth", 4, seed=0)
    for name in ("anna", "ben"):
        with VerdictFile(run, name) as verdicts:
            for row in rows:
                for claim in CLAIMS:
                    verdicts.say(row, claim, "yes" if row is rows[0] else "no")
    return run


def lines(run: Path, stage: str, folder: str = "") -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for path in sorted((run / stage / folder).glob("part-*.jsonl"))
        for line in path.read_bytes().splitlines()
        if line.endswith(b"}")
    ]


def assert_adds_up(status: dict[str, Any]) -> None:
    """Whatever the moment."""
    for stage in status["stages"]:
        assert stage["units"] == stage["kept"] + stage["rejected"], stage
        assert sum(stage["reasons"].values()) == stage["rejected"]
        assert (stage["left"] is None) == (stage["expected"] is None)
        if stage["left"] is not None:
            assert stage["expected"] == stage["units"] + stage["answered"] + stage["left"]
            assert stage["left"] >= 0
        for outcome, sums in stage["spent"].items():
            assert sums["replies"] == sum(one.get(outcome, {}).get("replies", 0) for one in stage["models"].values())


def assert_agrees_with_files(run: Path, status: dict[str, Any]) -> None:
    """While nobody is at work."""
    assert_adds_up(status)
    for stage in status["stages"]:
        name = stage["stage"]
        assert stage["kept"] == len(lines(run, name))
        assert stage["rejected"] == len(lines(run, name, "rejected"))
        replies = lines(run, name, "replies")
        assert sum(one["replies"] for one in stage["spent"].values()) == len(replies)
        known = {one["unit"] for one in [*lines(run, name, "rejected"), *replies] if isinstance(one["unit"], str)}
        assert stage["answered"] <= len(known)
    assert status["in_use_by"] is None
    assert all(stage["eta_s"] is None for stage in status["stages"])


def begin_wave(run: Path) -> None:
    """Two batches of the analysis that are under way."""
    waves = Waves(run, "analyze")
    facts = WaveFacts(
        stage="analyze", number=1, kind="api", created_s=1.0, requests=80, batches=2, url="/v1/chat/completions",
        cap_name="max_tokens", max_requests=50_000,
    )  # fmt: skip
    draft = waves.draft()
    (draft / "rows.jsonl").write_bytes(b"")
    wave = waves.commit(draft, facts, [50, 30])
    wave.batches[0].status, wave.batches[0].finished = "submitted", 7
    write_for_good(wave.path / "batch-00001.json", wave.batches[0])


# ── the form ──


MAPS = (
    (r"^(set_aside|export\.reasons|stages\[\]\.reasons)\.[^.]+$", r"\1.<reason>"),
    (r"^(stages\[\]\.spent)\.[^.]+", r"\1.<outcome>"),
    (r"^(stages\[\]\.failed_calls\.(?:over_time\[\]\.)?kinds)\.[^.]+", r"\1.<kind>"),
    (r"^(stages\[\]\.models)\.[^.]+\.[^.]+", r"\1.<model>.<outcome>"),
    (r"^(injected)\.[^.]+", r"\1.<dataset>"),
    (r"^(injected\.<dataset>\.types)\.[^.]+", r"\1.<type>"),
    (r"^(audit\.(?:claims|each_alone|agreement))\.[^.]+", r"\1.<claim>"),
)


def keys(tree: Any, path: str = "") -> Iterator[str]:
    """Every place of a tree, maps with names of their own under one name."""
    if isinstance(tree, list):
        for one in tree:
            yield from keys(one, f"{path}[]")
    elif isinstance(tree, dict):
        for key, value in tree.items():
            yield from keys(value, f"{path}.{key}" if path else key)
            if isinstance(value, list) and not path:
                yield key
            if isinstance(value, list) and path == "estimate":
                yield f"{path}.{key}"
    else:
        for pattern, name in MAPS:
            path = re.sub(pattern, name, path)
        yield path


def documented() -> set[str]:
    page = (ROOT / "docs/status.md").read_text(encoding="utf-8")
    return set(re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE))


def test_every_key_is_documented_and_every_documented_key_is_there(finished: Path, tmp_path: Path) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    summary = json.loads((run / "problems/summary.json").read_bytes())
    summary["sources"][0]["set_aside"]["broken_json"] = 1
    (run / "problems/summary.json").write_text(json.dumps(summary))
    log = FailureLog(run, "analyze")
    log.count("throttled")
    log.save()
    begin_wave(run)
    found = {key for key in keys(read_status(run)) if not key.startswith("estimate.")}
    known = documented()
    spoken_of = {key for key in known if any(other.startswith((f"{key}.", f"{key}[")) for other in known)}
    estimate = {key for key in known if key.startswith("estimate.")}
    assert estimate == {"estimate.stages"} | {f"estimate.stages[].{key}" for key in ("stage", "calls", "total_usd")}
    assert estimate <= set(keys(read_status(run)))
    assert found - {"stages", "batches"} == known - estimate - spoken_of
    assert "warnings" in found


def test_the_form_is_plain_json_and_names_its_version(finished: Path) -> None:
    status = read_status(finished)
    assert json.loads(json.dumps(status)) == status
    assert status["version"] == 1
    assert "| `version` | of this form; 1 |" in (ROOT / "docs/status.md").read_text(encoding="utf-8")


# ── what it says ──


def test_a_finished_run_has_nothing_left_and_agrees_with_its_files(finished: Path) -> None:
    status = read_status(finished)
    assert_agrees_with_files(finished, status)
    assert [stage["stage"] for stage in status["stages"]] == list(STAGES[:-1])
    for stage in status["stages"]:
        assert (stage["left"], stage["answered"], stage["expected"]) == (0, 0, stage["units"])
        assert stage["outdated"]["parts"] == 0
        assert stage["projected_usd"] == pytest.approx(stage["cost_usd"])
    rows = (finished / "export/train.jsonl").read_bytes().splitlines()
    assert status["export"]["rows"] == len(rows)
    assert status["export"]["units"] == status["stages"][-1]["kept"]


def test_each_model_is_paid_for_by_itself(finished: Path) -> None:
    status = read_status(finished)
    for stage in status["stages"][1:]:
        paid = {model: [one["cost_usd"] for one in spent.values()] for model, spent in stage["models"].items()}
        assert set(paid) == {"m-old", "m-new"}
        assert sum(map(sum, paid.values())) == pytest.approx(stage["cost_usd"])
        replies = [line["model"] for line in lines(finished, stage["stage"], "replies")]
        for model, spent in stage["models"].items():
            assert sum(one["replies"] for one in spent.values()) == replies.count(model)
    assert "m-new: " in status_table(status)


def test_a_price_that_is_unknown_is_null_and_never_0(finished: Path, tmp_path: Path) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    tree = yaml.safe_load((run / "run.yaml").read_text())
    tree["config"]["teacher"]["prices"]["output_usd_per_mtok"] = None
    (run / "run.yaml").write_text(yaml.safe_dump(tree))
    status = read_status(run)
    assert status["cost_usd"] is None
    assert status["stages"][1]["projected_usd"] is None
    assert status["stages"][1]["models"]["m-old"]["kept"]["cost_usd"] is None
    assert "in all: " in status_table(status)
    assert ", unknown; of the replies" in status_table(status)


def test_what_another_configuration_made_is_told_apart(finished: Path, tmp_path: Path) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    before = {stage["stage"]: stage for stage in read_status(run)["stages"]}
    tree = yaml.safe_load((run / "run.yaml").read_text())
    tree["config"]["teacher"]["temperature"] = 0.123
    (run / "run.yaml").write_text(yaml.safe_dump(tree))
    status = read_status(run)
    stages = {stage["stage"]: stage for stage in status["stages"]}
    assert stages["sample"] == before["sample"]
    assert stages["correct"]["units"] == stages["correct"]["parts_done"] == 0
    assert stages["correct"]["outdated"] == {
        "parts": before["correct"]["parts"],
        "units": before["correct"]["units"],
        "kept": before["correct"]["kept"],
        "rejected": before["correct"]["rejected"],
    }
    assert "finished parts are of another configuration, version or input" in status_table(status)


def test_a_run_of_another_version_is_shown_with_what_cannot_be_told(finished: Path, tmp_path: Path) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    tree = yaml.safe_load((run / "run.yaml").read_text())
    tree["lemma"] = "0.0.1\x1b[2J"
    tree["config"]["teacher"]["charm"] = 5
    tree["config"]["a_key_of_then"] = {"x": 1}
    tree["config"]["smooth"]["scope"] = "as of then"
    (run / "run.yaml").write_text(yaml.safe_dump(tree))
    for path in run.glob("*/part-*.manifest"):
        manifest = json.loads(path.read_bytes())
        path.write_text(json.dumps(manifest | {"version": 1, "a_key_of_then": []}))
    status = read_status(run)
    text = status_table(status)
    assert "was written by lemma 0.0.1�[2J; this version does not know its" in " ".join(text.split())
    assert {"teacher.charm", "a_key_of_then", "smooth.scope"} <= set(re.split(r"[, ]+", status["warnings"][0]))
    for stage in status["stages"]:
        assert stage["outdated"]["kept"] == len(lines(run, stage["stage"]))
        assert sum(one["replies"] for one in stage["spent"].values()) == len(lines(run, stage["stage"], "replies"))


def test_a_plugin_that_is_gone_hides_no_counts(finished: Path, tmp_path: Path) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    tree = yaml.safe_load((run / "run.yaml").read_text())
    tree["config"]["plugins"] = [str(tmp_path / "gone.py")]
    (run / "run.yaml").write_text(yaml.safe_dump(tree))
    status = read_status(run)
    assert any("gone.py" in line for line in status["warnings"])
    assert status["stages"][-1]["outdated"]["kept"] == len(lines(run, "smooth"))


def test_batches_under_way_are_told_and_a_damaged_wave_hides_no_counts(finished: Path, tmp_path: Path) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    assert read_status(run)["batches"] == []
    begin_wave(run)
    status = read_status(run)
    assert status["batches"] == [{"stage": "analyze", "batches": 2, "requests": 80, "done": 7}]
    assert "analyze: 2 batches with 80 requests under way, 7 of them done" in " ".join(status_table(status).split())
    (run / "batches/analyze/wave-00001/batch-00002.json").write_text("{")
    status = read_status(run)
    assert status["batches"] == []
    assert any("batch-00002.json: cannot be read: damaged" in line for line in status["warnings"])
    assert_agrees_with_files(run, status)


@pytest.mark.parametrize("damage", [b"", b"{", b'{"stretches": {"9e99": {}}}'], ids=["empty", "cut", "no time"])
def test_a_damaged_count_of_failed_calls_hides_nothing_else(finished: Path, tmp_path: Path, damage: bytes) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    (run / "correct" / NAME).write_bytes(damage)
    assert read_status(run) == read_status(finished) | {"run": str(run)}


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir(), lambda path: path.write_text("x")])
def test_what_is_no_run_is_told_in_one_line(tmp_path: Path, make: Callable[[Path], object]) -> None:
    make(tmp_path / "none")
    with pytest.raises(RunError, match=r"there is no run; name the folder that `lemma run"):
        read_status(tmp_path / "none")


# ── while a run is going on, and after its end ──


@pytest.fixture
def working(tmp_path: Path, mock_server: Callable[..., MockServer]) -> Iterator[tuple[Path, subprocess.Popen[str]]]:
    """A run with an endpoint, in a process of its own."""
    rules = write_rules(tmp_path / "rules.jsonl", good_rules())
    server = mock_server("--reply-file", str(rules), "--latency-ms", "60")
    tree: dict[str, Any] = {
        "data": [{"dataset": "rollouts", "path": "example:gsm8k", "limit": 6}],
        "decontaminate": [],
        "shards": {"size": 2},
        "teacher": {
            "backend": "openai",
            "model": "mock",
            "base_url": server.base_url,
            "concurrency": 4,
            "prices": {"input_usd_per_mtok": 1, "output_usd_per_mtok": 2},
        },
    }
    config = write_config(tmp_path / "config.yaml", tree)
    process = start_lemma("run", config, "-o", tmp_path / "run", "--quiet")
    try:
        yield tmp_path / "run", process
    finally:
        process.kill()
        process.communicate()


def looks(run: Path, process: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    """The status, again and again, while the run is going on."""
    deadline = time.monotonic() + PATIENCE_S
    while process.poll() is None and time.monotonic() < deadline:
        if (run / "run.yaml").exists():
            yield read_status(run)
            time.sleep(0.15)  # so that the two do not fight for the processor
    assert process.poll() is not None, "it hangs"


def test_while_a_run_is_going_on_every_look_adds_up_and_nothing_is_disturbed(
    working: tuple[Path, subprocess.Popen[str]],
) -> None:
    run, process = working
    seen = list(looks(run, process))
    assert process.wait() == 0
    assert len(seen) > 3
    for status in seen:
        assert_adds_up(status)
    assert any(status["in_use_by"] == f"process {process.pid} on " + status["in_use_by"].split(" on ")[1] for status in
               seen if status["in_use_by"])  # fmt: skip
    at_work = [stage for status in seen for stage in status["stages"] if stage["eta_s"] is not None]
    assert any(stage["units_per_s"] > 0 and stage["left"] > 0 for stage in at_work)
    assert any(stage["answered"] > 0 for status in seen for stage in status["stages"])
    assert any("to go" in status_table(status) for status in seen)
    replies = [sum(one["replies"] for stage in status["stages"] for one in stage["spent"].values()) for status in seen]
    assert replies == sorted(replies)
    assert_agrees_with_files(run, read_status(run))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_after_an_interrupted_or_killed_run_status_and_files_agree(
    working: tuple[Path, subprocess.Popen[str]], number: signal.Signals, code: int
) -> None:
    run, process = working
    for status in looks(run, process):
        if status["stages"][3]["answered"] + status["stages"][3]["units"] > 6:  # in the midst of correct
            process.send_signal(number)
            break
    process.communicate(timeout=PATIENCE_S)
    assert process.returncode == code
    status = read_status(run)
    assert_agrees_with_files(run, status)
    stages = {stage["stage"]: stage for stage in status["stages"]}
    assert stages["analyze"]["left"] == stages["inject"]["left"] == 0
    assert stages["correct"]["left"] > 0
    assert stages["smooth"]["left"] is None
    assert status["export"] is None
    assert stages["correct"]["projected_usd"] > stages["correct"]["cost_usd"] > 0


def test_watching_goes_on_until_it_is_interrupted(tmp_path: Path) -> None:
    with Pipeline(tmp_path / "run", example_config(3), Options(quiet=True)) as pipeline:
        pipeline.work(["sample"])
    process = start_lemma("status", tmp_path / "run", "--watch", "--json")
    try:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        assert first["stages"][1]["parts_done"] == 0
        with Pipeline(tmp_path / "run", example_config(3), Options(quiet=True)) as pipeline:
            pipeline.work(["analyze"])
        while first["stages"][1]["parts_done"] < first["stages"][1]["parts"]:
            first = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE_S)
        assert (process.returncode, errors) == (0, "")
    finally:
        process.kill()
        process.communicate()
