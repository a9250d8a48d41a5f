"""A stage through the Batch API: waves written, submitted, waited for, harvested, until nothing is left to ask."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lemma.batch.api import GONE, QUEUE_FULL, BatchApi, NotThere, Pauses, QueueFull, Unsure
from lemma.batch.asking import Asker
from lemma.batch.harvest import Scan, harvest, opener, scan
from lemma.batch.limits import Limits
from lemma.batch.waves import BatchFacts, Wave, Waves, pending_words, run_id
from lemma.budget import Budget
from lemma.engine import REFUSALS_TOLERATED, Part
from lemma.errors import Incomplete, TeacherError
from lemma.stages.base import Stage

if TYPE_CHECKING:
    from openai.types import Batch

COUNTS_EVERY_S = 300.0
DOWNLOADS = 3
"""How often a result file is fetched that holds fewer lines than the batch has answers."""


class BatchTeacher:
    """Answers a stage through the Batch API.

    Args:
        run: the run's folder; its lock is held.
        api: the account.
        say: takes a line for the person.
        is_waiting: False: leaves what is under way to the next command.
        limits: of one batch.
        pauses: between two looks.
        is_quiet: tells no progress.
    """

    def __init__(
        self,
        run: Path,
        api: BatchApi,
        say: Callable[[str], None],
        is_waiting: bool = True,
        limits: Limits | None = None,
        pauses: Pauses | None = None,
        is_quiet: bool = False,
    ) -> None:
        self._is_quiet = is_quiet
        self._run = run
        self._api = api
        self._say = say
        self._is_waiting = is_waiting
        self._limits = limits or Limits()
        self._pauses = pauses or Pauses()

    def work(self, stage: Stage, parts: Sequence[Part], make_budget: Callable[[], Budget]) -> None:
        """See `Offline.work`.

        Raises:
            Incomplete: batches are under way, the budget is reached, or a whole wave brought nothing.
            TeacherError: the endpoint refuses every request.
        """
        waves = Waves(self._run, stage.name)
        asker = Asker(stage, parts, waves)
        try:
            with contextlib.closing(self._api):
                while True:
                    wave = waves.open_wave()
                    if wave is None:
                        limits, cap_name = next_form(waves.last(), self._limits)
                        written = asker.write_wave(make_budget(), limits, cap_name, "api")
                        if written is None:
                            return
                        wave = written[0]
                    self._see_through(wave)
        except KeyboardInterrupt:
            raise Incomplete(self._left_running(stage.name)) from None

    def _left_running(self, stage: str) -> str:
        words = pending_words(self._run, stage)
        return f"{stage}: interrupted; {f'{words} go on at the endpoint' if words else 'no batch is under way'}"

    def _see_through(self, wave: Wave) -> None:
        line = WaveLine(wave, _silent if self._is_quiet else self._say)
        window = Window(wave, self._limits)
        while wave.open_batches:
            for batch in wave.open_batches:
                if batch.status != "submitted" and window.has_room():
                    self._submit(wave, batch, window)
            has_moved = False
            for batch in wave.open_batches:
                if batch.status == "submitted":
                    has_moved |= self._look(wave, batch, window)
            line.tell()
            if not wave.open_batches:
                break
            if has_moved:
                self._pauses.reset()
                continue
            if not self._is_waiting:
                raise Incomplete(f"{wave.facts.stage}: {pending_words(self._run, wave.facts.stage)} are under way")
            self._pauses.wait()
        self._pauses.reset()
        line.end()
        _end_of_wave(wave)

    # ── submitting ──

    def _submit(self, wave: Wave, batch: BatchFacts, window: Window) -> None:
        """Makes the batch at the endpoint, once, whatever happened before."""
        while batch.status != "submitted":
            if batch.status == "uploaded" and adopt(self._run, self._api, wave, batch):
                return
            metadata = metadata_of(self._run, wave, batch)
            name = "-".join(metadata.values())
            batch.file_id = self._api.upload(wave.requests_path(batch), f"lemma-{name}.jsonl")
            batch.status = "uploaded"
            wave.save(batch)  # from here on the batch may exist
            try:
                _submitted(wave, batch, self._api.create(batch.file_id, wave.facts.url, metadata))
            except QueueFull as full:
                window.shrink(batch)
                _queue_full(wave, batch, str(full))
                return
            except Unsure as unsure:
                self._say(f"{wave.facts.stage}: making a batch was broken off ({unsure}); looking whether it was made")
                self._pauses.wait()

    # ── looking ──

    def _look(self, wave: Wave, batch: BatchFacts, window: Window) -> bool:
        """Looks how far a batch has come, and takes in what it brought; whether it ended."""
        try:
            remote = self._api.look(batch.batch_id)
        except NotThere as error:
            raise TeacherError(
                f"{self._api.where} does not know batch {batch.batch_id} of {wave.facts.stage} ({error}): was it made "
                f"with another key or address? Put those back, or forget it with `lemma batch cancel {self._run}`"
            ) from None
        before = (batch.remote, batch.finished)
        _note(batch, remote)
        if remote.status not in GONE:
            if before != (batch.remote, batch.finished):
                wave.save(batch)
            if before[0] in ("", "validating") and remote.status == "in_progress":
                window.grow()
            return False
        if remote.status == "failed":
            self._take_failure(wave, batch, remote, window)
        else:
            take_in(self._run, self._api, wave, batch, remote, self._say)
        return True

    def _take_failure(self, wave: Wave, batch: BatchFacts, remote: Batch, window: Window) -> None:
        """The endpoint looked at the batch's file and would not begin."""
        errors = (remote.errors.data if remote.errors else None) or []
        words = "; ".join(f"{one.message}" + (f" (line {one.line})" if one.line else "") for one in errors[:2])
        if any(one.code == QUEUE_FULL for one in errors):
            window.shrink(batch)
            _queue_full(wave, batch, words)
            return
        batch.error = words or "no reason was given"
        batch.left_open = batch.requests
        wave.close(batch)
        raise TeacherError(f"{self._api.where} does not take the batch {batch.batch_id}: {batch.error}")


def adopt(run: Path, api: BatchApi, wave: Wave, batch: BatchFacts) -> bool:
    """Finds a batch of which nobody knows whether it was made; sees to it that it is not made later, if not.

    Returns:
        Whether it was made. If not, it may be submitted anew.
    """
    metadata = metadata_of(run, wave, batch)
    found = api.find(metadata, wave.facts.created_s)
    if found is None:
        # a call that makes it may still be on its way: without the file nothing comes of it
        api.drop_file(batch.file_id)
        found = api.find(metadata, wave.facts.created_s)
    if found is not None:
        _submitted(wave, batch, found)
        return True
    batch.status, batch.file_id = "written", ""
    batch.attempt += 1
    wave.save(batch)
    return False


def _submitted(wave: Wave, batch: BatchFacts, remote: Batch) -> None:
    batch.batch_id, batch.submitted_s = remote.id, float(remote.created_at)
    batch.status = "submitted"
    _note(batch, remote)
    wave.save(batch)


def metadata_of(run: Path, wave: Wave, batch: BatchFacts) -> dict[str, str]:
    """What a batch is found again by."""
    return {
        "lemma_run": run_id(run),
        "lemma_stage": wave.facts.stage,
        "lemma_wave": str(wave.facts.number),
        "lemma_batch": str(batch.number),
        "lemma_attempt": str(batch.attempt),
    }


class Window:
    """How many batches are at the endpoint at once: all, until it says that its queue is full."""

    def __init__(self, wave: Wave, limits: Limits) -> None:
        self._wave = wave
        is_tight = wave.facts.max_requests < limits.requests  # the queue was full before
        self._size = 1 if is_tight else len(wave.batches)

    def has_room(self) -> bool:
        """For one more."""
        return self._running(None) < self._size

    def shrink(self, batch: BatchFacts) -> None:
        """This one was one too many."""
        self._size = max(1, self._running(batch))

    def grow(self) -> None:
        """One was let in."""
        self._size += 1

    def _running(self, without: BatchFacts | None) -> int:
        return sum(batch.status == "submitted" and batch is not without for batch in self._wave.batches)


def _queue_full(wave: Wave, batch: BatchFacts, words: str) -> None:
    """Has a batch wait until another of ours has ended; one that has the queue to itself is too large for it.

    Raises:
        Incomplete: not even one request fits.
    """
    others = [one for one in wave.open_batches if one is not batch and one.status == "submitted"]
    if others:
        batch.status, batch.file_id, batch.batch_id = "written", "", ""
        batch.attempt += 1
        wave.save(batch)
        return
    if batch.requests == 1:
        batch.left_open = 1
        wave.close(batch)
        raise Incomplete(f"{wave.facts.stage}: the endpoint's queue does not take one request: {words}")
    for one in wave.open_batches:
        if one.status != "submitted" and one is not batch and one.requests <= batch.requests // 2:
            continue
        one.is_too_large, one.left_open, one.error = True, one.requests, words
        wave.close(one)


def next_form(last: Wave | None, limits: Limits) -> tuple[Limits, str]:
    """How the next wave is written, from what the endpoint said of the last one.

    Returns:
        The limits of a batch: halved where the queue did not take one, else doubled again. And what the endpoint calls
        the limit of a reply's tokens.
    """
    if last is None:
        return limits, "max_tokens"
    cap_name = next((one.needs_cap_name for one in last.batches if one.needs_cap_name), last.facts.cap_name)
    too_large = [batch.requests for batch in last.batches if batch.is_too_large]
    requests = max(1, min(too_large) // 2) if too_large else min(limits.requests, 2 * last.facts.max_requests)
    return Limits(requests, limits.bytes), cap_name


def _note(batch: BatchFacts, remote: Batch) -> None:
    batch.remote = str(remote.status)
    counts = remote.request_counts
    batch.finished = counts.completed + counts.failed if counts else 0


def take_in(run: Path, api: BatchApi, wave: Wave, batch: BatchFacts, remote: Batch, say: Callable[[str], None]) -> None:
    """Harvests a batch that has ended, however it did, and closes it.

    Raises:
        TeacherError: the endpoint refuses every request like these; what was answered is on disk.
    """
    found = _download(api, wave, batch, remote)
    stage = wave.facts.stage
    answered, refused = found.fates["answered"], found.fates["refused"]
    if not answered and refused >= REFUSALS_TOLERATED:
        # a refusal is final for its unit; where every unit is refused, it is not about the units
        batch.error, batch.left_open = found.words.get("refused", ""), batch.requests
        wave.close(batch)
        raise TeacherError(f"the endpoint refused every one of {refused} requests; it said: {batch.error}")
    harvest(found, wave.rows(), opener(run, stage))
    strange = found.unreadable + found.unknown + found.unmatched
    if strange:
        say(f"{stage}: {strange} lines of the results of {batch.batch_id} cannot be used: cut short, or not ours")
    batch.replies = answered + refused
    batch.left_open = batch.requests - batch.replies
    if found.fates["cap_name"]:
        batch.needs_cap_name = "max_completion_tokens"
    batch.error = next(iter(found.words.get(fate, "") for fate in _STAYS_OPEN if found.words.get(fate)), "")
    wave.close(batch)
    for fate in ("every", "parameter"):
        if found.fates[fate]:
            raise TeacherError(
                f"{api.where} refused {found.fates[fate]} of {batch.requests} requests, as it will the others: "
                f"{found.words.get(fate, '')}; see the configuration"
            )


_STAYS_OPEN = ("every", "parameter", "open", "cap_name")


def _download(api: BatchApi, wave: Wave, batch: BatchFacts, remote: Batch) -> Scan:
    """The batch's result files, fetched and looked at; once more where lines are missing."""
    expected = remote.request_counts.completed if remote.request_counts else 0
    for _ in range(DOWNLOADS):
        paths = []
        for kind, file_id in (("output", remote.output_file_id), ("error", remote.error_file_id)):
            if not file_id:
                continue
            path = wave.download_path(batch, kind)
            try:
                api.download(file_id, path)
            except NotThere as error:
                raise TeacherError(
                    f"the results of batch {batch.batch_id} are gone ({error}); `lemma batch cancel` forgets it"
                ) from None
            paths.append(path)
        found = scan(paths)
        if not found.unreadable and found.fates["answered"] + found.fates["refused"] >= min(expected, batch.requests):
            break
    return found


def _end_of_wave(wave: Wave) -> None:
    """Sees to it that lemma does not ask on and on where nothing is answered.

    Raises:
        Incomplete: the wave brought no reply, and nothing else that lets the next one do better.
    """
    if any(batch.replies or batch.is_too_large or batch.needs_cap_name for batch in wave.batches):
        return
    words = next((batch.error for batch in wave.batches if batch.error), "")
    ends = ", ".join(sorted({batch.remote for batch in wave.batches}))
    raise Incomplete(
        f"{wave.facts.stage}: none of {wave.facts.requests} requests was answered (batches {ends})"
        + (f"; the endpoint said: {words}" if words else "")
    )


class WaveLine:
    """Tells how far a wave has come, where that has changed."""

    def __init__(self, wave: Wave, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._wave = wave
        self._say = say
        self._clock = clock
        self._last = ("", 0)
        self._next_s = 0.0

    def tell(self) -> None:
        """One line: ``analyze: wave 1, 3 batches: 1 completed, 2 in_progress; 61204 of 150000 requests done``."""
        wave = self._wave
        counted = Counter(batch.remote or batch.status for batch in wave.batches)
        states = ", ".join(f"{count} {state}" for state, count in counted.items())
        done = sum(batch.requests if batch.status == "closed" else batch.finished for batch in wave.batches)
        if self._last == (states, done) or (self._last[0] == states and self._clock() < self._next_s):
            return
        self._last, self._next_s = (states, done), self._clock() + COUNTS_EVERY_S
        self._say(f"{self._of()}: {states}; {done} of {wave.facts.requests} requests done")

    def end(self) -> None:
        """What the wave brought."""
        replies = sum(batch.replies for batch in self._wave.batches)
        left = sum(batch.left_open for batch in self._wave.batches)
        self._say(f"{self._of()}: {replies} replies" + (f", {left} requests are asked again" if left else ""))

    def _of(self) -> str:
        count = len(self._wave.batches)
        return f"{self._wave.facts.stage}: wave {self._wave.facts.number}, {count} batch{'es' if count > 1 else ''}"


def _silent(line: str) -> None:
    pass
