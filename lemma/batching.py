"""The commands about batches: files of requests by hand, what is under way at the endpoint, and ending that."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path

from lemma.batch.api import GONE, BatchApi, NotThere, Pauses
from lemma.batch.byhand import Read, RequestWriter, read_replies
from lemma.batch.waves import BatchFacts, Wave, Waves, stages_with_waves
from lemma.batch.work import adopt, take_in
from lemma.config import Config, StudentConfig, TeacherConfig
from lemma.configfile import load_config
from lemma.errors import ConfigError, Incomplete, LemmaError, RunError
from lemma.pipeline import STAGES, Options, Pipeline
from lemma.runfile import NOT_KEPT
from lemma.shards.lock import RunLock
from lemma.status import config_of

ASKING = STAGES[:-1]
"""Stages that ask somebody."""


def config_for(run: Path, config_path: Path | None, overrides: Sequence[str] = ()) -> Config:
    """The configuration: a file's, or the one that the run was last worked on with.

    Raises:
        LemmaError: it cannot be read, or there is no run.
    """
    return load_config(config_path, overrides) if config_path is not None else config_of(run)


def write_requests(run: Path, stage: str, path: Path, config: Config, say: Callable[[str], None] | None = None) -> str:
    """Writes what a stage has to ask next; parts that lack nothing are finished on the way.

    Returns:
        Lines for the person.

    Raises:
        LemmaError: the stage is no stage, the run is in use, the budget is reached, …
    """
    if stage not in ASKING:
        raise ConfigError(f"{stage}: is no stage that asks; name one of {', '.join(ASKING)}")
    endpoint = _endpoint(config, stage)
    if endpoint is not None and endpoint.backend == "rules":
        raise ConfigError("teacher.backend is rules, which needs no files; name a model: `backend: batch, model: …`")
    writer = RequestWriter(run, path)
    with Pipeline(run, config, Options(quiet=True), say, lambda role: writer) as pipeline:
        try:
            pipeline.work((stage,))
        except Incomplete:
            if writer.wave is None:
                raise
            return _written(run, writer)
        return f"{stage}: nothing is left to ask\n{pipeline.report((stage,))}"


def _written(run: Path, writer: RequestWriter) -> str:
    assert writer.wave is not None
    facts = writer.wave.facts
    files = ", ".join(map(str, writer.files[:3])) + (" …" if len(writer.files) > 3 else "")
    return (
        f"{facts.stage}: {facts.requests} requests in {len(writer.files)} file{'s' if len(writer.files) > 1 else ''}: "
        f"{files}\nmanifest: {writer.manifest_path}\n"
        f"then: lemma batch read REPLIES --run {run}, and the same command again"
    )


def take_replies(run: Path, paths: Sequence[Path]) -> str:
    """Reads files of results into a run.

    Returns:
        Lines for the person: what was stored, and every kind of line that was not.

    Raises:
        LemmaError: nothing in them is of any use, or the run is in use.
    """
    _known_run(run)
    with RunLock(run):
        read = read_replies(run, paths)
    return "\n".join(_told(read, run))


def _told(read: Read, run: Path) -> list[str]:
    found = read.found
    lines = [f"{found.lines} lines"]
    for stage, harvest in read.stages.items():
        if harvest.stored or harvest.known:
            known = f", {harvest.known} were known before" if harvest.known else ""
            lines.append(f"{stage}: {harvest.stored} replies stored{known}")
    if found.fates["refused"]:
        words = found.words.get("refused")
        lines.append(f"{found.fates['refused']} of them refusals" + (f"; the first: {words}" if words else ""))
    failed = sum(found.fates[fate] for fate in ("open", "cap_name", "every", "parameter"))
    if failed:
        words = next(words for fate, words in found.words.items() if fate != "refused")
        lines.append(f"{failed} errors, whose requests stay open; the first: {words}")
    if found.doubles:
        lines.append(f"{found.doubles} lines about a request that stood there before: the first answer counts")
    if found.unreadable and found.first_unreadable:
        path, number = found.first_unreadable
        lines.append(f"{found.unreadable} lines cut short or no JSON, the first: {path} line {number}")
    strange = found.unmatched + found.unknown
    if strange:
        lines.append(f"{strange} lines about no request of this run")
    if found.requests:
        lines.append(f"{found.requests} lines that are requests, not results")
    for stage, (left, total) in read.left.items():
        if total and (left or read.stages[stage].stored):
            lines.append(f"{stage}: {left} of the {total} requests written last lack a reply")
            lines.append(f"then: lemma batch write {stage} --run {run} -o …")
    return lines


def _known_run(run: Path) -> None:
    """Raises RunError where there is no run."""
    config_of(run)
    if not stages_with_waves(run):
        raise RunError(f"{run}: nothing was ever asked in batches or files; begin with `lemma batch write`")


# ── at the endpoint ──


def show_batches(run: Path, config_path: Path | None) -> str:
    """What is or was at the endpoint, one batch a line; those under way are looked at, where the endpoint can be asked.

    Raises:
        RunError: there is no run.
    """
    config = config_for(run, config_path)
    rows: list[tuple[str, ...]] = [("stage", "wave", "batch", "id", "status", "requests", "done", "replies", "")]
    notes: list[str] = []
    for stage in stages_with_waves(run):
        api: BatchApi | None = None
        for wave in Waves(run, stage).all():
            if wave.facts.kind == "files":
                files = f"{wave.facts.batches} files"
                number, requests = str(wave.facts.number), str(wave.facts.requests)
                rows.append((stage, number, "–", "by hand", "written", requests, "", "", files))
                continue
            for batch in wave.batches:
                if batch.status == "submitted" and api is None and not notes:
                    try:
                        api = api_of(config, stage)
                    except LemmaError as error:
                        notes.append(f"as last seen: {error}")
                if batch.status == "submitted" and api is not None:
                    _refresh(api, batch, notes)
                rows.append(_line(stage, wave, batch))
    if len(rows) == 1:
        return f"{run}: no batches"
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*table, *notes])


def _refresh(api: BatchApi, batch: BatchFacts, notes: list[str]) -> None:
    try:
        with contextlib.closing(api):
            remote = api.look(batch.batch_id)
    except (NotThere, LemmaError) as error:
        notes.append(f"{batch.batch_id}: as last seen: {error}")
        return
    counts = remote.request_counts
    batch.remote, batch.finished = str(remote.status), counts.completed + counts.failed if counts else 0


def _line(stage: str, wave: Wave, batch: BatchFacts) -> tuple[str, ...]:
    is_closed = batch.status == "closed"
    status = batch.remote or batch.status
    if batch.status == "submitted" and status in GONE:
        status += ", not taken in yet"
    return (
        stage,
        str(wave.facts.number),
        str(batch.number),
        batch.batch_id or "–",
        status,
        str(batch.requests),
        str(batch.requests if is_closed else batch.finished),
        str(batch.replies) if is_closed else "–",
        batch.error[:80],
    )


def cancel_batches(run: Path, config_path: Path | None, say: Callable[[str], None]) -> str:
    """Cancels what is under way, waits for it to end and takes in what it brought.

    Returns:
        A line for the person.

    Raises:
        Incomplete: interrupted while waiting; the batches are being cancelled nevertheless.
        LemmaError: the endpoint cannot be asked, or the run is in use.
    """
    config = config_for(run, config_path)
    cancelled = replies = 0
    with RunLock(run):
        for stage in stages_with_waves(run):
            wave = Waves(run, stage).open_wave()
            if wave is None:
                continue
            cancelled += len(wave.open_batches)
            try:
                with contextlib.closing(api_of(config, stage)) as api:
                    replies += _cancel_wave(run, api, wave, say)
            except KeyboardInterrupt:
                raise Incomplete(f"{stage}: interrupted; batches are being cancelled at the endpoint") from None
    if not cancelled:
        return f"{run}: no batch is under way"
    return f"{cancelled} batch{'es' if cancelled > 1 else ''} ended; {replies} replies that were ready are kept"


def _cancel_wave(run: Path, api: BatchApi, wave: Wave, say: Callable[[str], None]) -> int:
    """Returns the number of replies that were taken in."""
    for batch in wave.open_batches:
        if batch.status == "uploaded":  # it may have been made without our hearing of it
            adopt(run, api, wave, batch)
        if batch.status != "submitted":
            _forget(wave, batch, "was not submitted yet")
            continue
        try:
            api.cancel(batch.batch_id)
        except NotThere as error:
            _forget(wave, batch, f"unknown to the endpoint: {error}")
    before = sum(batch.replies for batch in wave.batches)
    pauses = Pauses()
    while wave.open_batches:
        for batch in wave.open_batches:
            remote = api.look(batch.batch_id)
            batch.remote = str(remote.status)
            if remote.status == "failed":
                _forget(wave, batch, "the endpoint did not take it")
            elif remote.status in GONE:
                take_in(run, api, wave, batch, remote, say)
        if wave.open_batches:
            say(f"{wave.facts.stage}: waiting for {len(wave.open_batches)} batches to end")
            pauses.wait()
    return sum(batch.replies for batch in wave.batches) - before


def _forget(wave: Wave, batch: BatchFacts, words: str) -> None:
    batch.left_open, batch.error = batch.requests, words
    wave.close(batch)


def _endpoint(config: Config, stage: str) -> StudentConfig | TeacherConfig | None:
    return config.student if stage == "sample" else config.teacher


def api_of(config: Config, stage: str) -> BatchApi:
    """The account that a stage's batches are made in.

    Raises:
        ConfigError: the configuration does not tell.
    """
    endpoint, role = _endpoint(config, stage), "student" if stage == "sample" else "teacher"
    if endpoint is None:
        raise ConfigError(f"there is no {role} in the configuration; name that of the run with --config")
    if NOT_KEPT in endpoint.headers.values():
        raise ConfigError(f"the values of {role}.headers are not kept in the run's folder; name your --config")
    return BatchApi(endpoint, role)
