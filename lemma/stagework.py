"""One stage over a run's folder: which parts are fresh, and how a part is made from its replies.

A part is fresh where its manifest names the stage's present fingerprint and the present hashes of its inputs. All
other parts are derived anew, and only replies that are missing are asked for.
"""

from __future__ import annotations

import json
import mmap
import struct
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from lemma.derive import Derived, derive
from lemma.distribution import tally_key, votes_key
from lemma.errors import RunError
from lemma.groups import read_groups
from lemma.leases import Lease, Leases
from lemma.records import Mistake, Record, Rejection, Sample, Trajectory
from lemma.replies import ReplyStore, StrayIndex
from lemma.shards.files import to_line, write_whole
from lemma.shards.folder import StageFolder
from lemma.shards.manifest import Manifest, StageUsage
from lemma.stages.analyze import AnalyzeStage
from lemma.stages.base import Group, Reply, SampleUnit, Stage

_EPOCH = struct.Struct("I")

Inputs = dict[str, str]
"""Name of an input → hash of its bytes."""


class StageWork:
    """A stage in a run.

    Args:
        run: the run's folder.
        stage: what is done.
        parts: number of parts of the run.
        strays: parts whose replies may belong to problems that are now in others.
        more_inputs: further inputs of a part, beside the problems and what the stage reads.
        leases: of the processes that work on the run together; None: this one is alone.
    """

    def __init__(
        self,
        run: Path,
        stage: Stage,
        parts: int,
        strays: list[int],
        more_inputs: Callable[[int], Inputs] | None = None,
        leases: Leases | None = None,
    ) -> None:
        self.run = run
        self.stage = stage
        self.parts = parts
        self.folder = StageFolder(run, stage.name)
        self._more_inputs = more_inputs
        self.share(leases)
        files = [path for number in strays for path in self.folder.reply_files(number)]
        self.strays = StrayIndex(files) if files else None

    def share(self, leases: Leases | None) -> None:
        """Works together with others from now on; None: alone."""
        self.leases = leases
        # of each part as it is claimed; shared, since the derive processes are forked before that
        self._epochs = None if leases is None else mmap.mmap(-1, 4 * max(1, self.parts))

    def epoch(self, part: int) -> int | None:
        """Of the lease that a part was claimed with, also in a process forked before; None: it was not."""
        if self._epochs is None:
            return None
        epoch: int = _EPOCH.unpack_from(self._epochs, _EPOCH.size * part)[0]
        return epoch - 1 if epoch else None

    def note_epoch(self, part: int, epoch: int) -> None:
        """Sets `epoch`."""
        if self._epochs is not None:
            _EPOCH.pack_into(self._epochs, _EPOCH.size * part, epoch + 1)

    def require_lease(self) -> None:
        """Comes before anything is written.

        Raises:
            RunError: this process was taken for dead, and others have its parts.
        """
        if self.leases is not None and not self.leases.is_held():
            raise RunError(
                f"{self.run}: this process did not show itself for a while and may have been taken for dead; "
                "the same command goes on with what is on disk"
            )

    def inputs(self, part: int) -> Inputs | None:
        """What the part is made from; None where an earlier stage has not finished it."""
        inputs = {}
        for name in ("problems", *self.stage.reads):
            manifest = StageFolder(self.run, name).manifest(part)
            if manifest is None:
                return None
            inputs[name] = manifest.output_hash
        if self._more_inputs is not None:
            inputs.update(self._more_inputs(part))
        return inputs

    def is_fresh(self, part: int) -> bool:
        """Whether the part is finished and nothing that it was made from has changed."""
        manifest = self.folder.manifest(part)
        return (
            manifest is not None
            and manifest.fingerprint == self.stage.fingerprint
            and manifest.inputs == self.inputs(part)
        )

    def stale(self) -> list[int]:
        """Numbers of the parts that are not fresh."""
        return [part for part in range(self.parts) if not self.is_fresh(part)]

    def manifests(self) -> Iterator[Manifest]:
        """The manifests of the fresh parts."""
        for part in range(self.parts):
            manifest = self.folder.manifest(part)
            if manifest is not None and self.is_fresh(part):
                yield manifest

    def open_part(self, part: int, is_redone: bool = False) -> WorkPart:
        """A part for the engine; `is_redone`: even where it is fresh."""
        return WorkPart(self, part, is_redone)


class WorkPart:
    """One part of a stage: what the engine works on, and how it is written."""

    def __init__(self, work: StageWork, number: int, is_redone: bool = False) -> None:
        self.work = work
        self.number = number
        self.lease: Lease | None = None
        self._is_redone = is_redone

    def claim(self) -> bool:
        """Takes the part's lease, where several processes work together; False: it is another's, or finished."""
        if self.work.leases is None or self.lease is not None:
            return True
        lease = self.work.leases.take(self.work.stage.name, self.number)
        # whoever had it until now may have finished it
        if lease is not None and self.is_done():
            lease.release()
            return False
        self.lease = lease
        if lease is not None:
            self.work.note_epoch(self.number, lease.epoch)
        return lease is not None

    def is_done(self) -> bool:
        """Whether nothing is left to do for it, by now."""
        return not self._is_redone and self.work.is_fresh(self.number)

    def release(self) -> None:
        """Gives the lease back."""
        if self.lease is not None:
            self.lease.release()
            self.lease = None

    def open_replies(self) -> ReplyStore:
        """The part's replies."""
        work, folder, number = self.work, self.work.folder, self.number
        path = folder.replies(number, work.epoch(number))
        guard = None if work.leases is None else work.require_lease
        # a manifest speaks of all replies of its part, so it goes before there are more of them
        return ReplyStore(path, work.strays, lambda: folder.reopen(number), guard)

    def groups(self) -> Iterator[Group]:
        """Its problems with all that earlier stages made of them.

        Raises:
            RunError: an input was changed behind lemma's back; comes before anybody is asked about it.
        """
        self._verify_inputs()
        return self._read_groups()

    def _verify_inputs(self) -> None:
        for name in ("problems", *self.work.stage.reads):
            StageFolder(self.work.run, name).verify(self.number)

    def _read_groups(self) -> Iterator[Group]:
        return read_groups(self.work.run, self.number, self.work.stage.reads)

    def finish(self, store: ReplyStore) -> Any:
        """Derives the part and writes it; the manifest last.

        Raises:
            RunError: an input was changed behind lemma's back, or the part is another's by now.
            DiskError: writing failed.
        """
        work, part = self.work, self.number
        inputs = work.inputs(part)
        if inputs is None:
            raise RunError(f"{work.folder.part(part)}: an earlier stage's part vanished; run the same command again")
        self._verify_inputs()
        work.require_lease()
        work.folder.reopen(part)
        maker = _Maker(work.stage, self._read_groups(), store)
        part_hash = write_whole(work.folder.part(part), maker.records())
        rejected_hash = write_whole(work.folder.rejected(part), map(to_line, maker.rejections))
        derived = maker.derived
        maker.count_unused()
        if derived.left:
            raise RunError(f"{store.path}: {derived.left} replies vanished; run the same command again")
        store.sync()  # replies that a program gave meanwhile: never a manifest without them
        work.require_lease()
        work.folder.write_manifest(
            Manifest(
                stage=work.stage.name,
                part=part,
                fingerprint=work.stage.fingerprint,
                inputs=inputs,
                files={
                    work.folder.part(part).name: part_hash,
                    f"rejected/{work.folder.rejected(part).name}": rejected_hash,
                },
                units=derived.units,
                kept=derived.kept,
                rejected=derived.rejected,
                reasons=dict(sorted(maker.reasons.items())),
                tally=dict(sorted(maker.tally.items())),
                usage={model: dict(sorted(outcomes.items())) for model, outcomes in sorted(maker.usage.items())},
                copied=dict(sorted(maker.copied.items())),
                broken_lines=store.broken_lines,
            )
        )

    def finished(self, result: Any) -> None:
        """All is on disk."""
        self.release()


class _Maker:
    """Derives one part as a stream of lines and keeps count."""

    def __init__(self, stage: Stage, groups: Iterator[Group], store: ReplyStore) -> None:
        self._stage = stage
        self._groups = groups
        self._store = store
        self._counted: set[str] = set()
        self.derived = Derived()
        self.rejections: list[Rejection] = []
        self.reasons: Counter[str] = Counter()
        self.tally: Counter[str] = Counter()
        self.usage: dict[str, dict[str, StageUsage]] = {}
        self.copied: dict[str, StageUsage] = {}

    def records(self) -> Iterator[bytes]:
        for unit, result in derive(self._stage, self._groups, self._store.get, self.derived):
            for reply, fate in zip(self.derived.replies, self.derived.fates, strict=True):
                self._count(reply, _outcome(fate, result))
            if isinstance(result, Rejection):
                self.rejections.append(result)
                self.reasons[result.reason] += 1
            elif result is not None:
                self.tally.update(tally_keys(unit, result))
                if isinstance(self._stage, AnalyzeStage) and self._stage.draws(unit) > 1:
                    split = self._stage.split(unit, self.derived.replies)
                    self.tally[votes_key(unit.problem.dataset, unit.sample.model, split)] += 1
                yield to_line(result)

    def count_unused(self) -> None:
        """Counts what else stands in the part's file: paid for under another configuration, or for moved problems."""
        for reply in self._store.others(self._counted):
            if not reply.is_copy:
                self._add(reply, "unused")

    def _count(self, reply: Reply, outcome: str) -> None:
        if reply.key in self._counted:  # two units that asked the very same
            return
        self._counted.add(reply.key)
        self._add(reply, outcome)
        if reply.is_copy:
            self.copied.setdefault(reply.model, StageUsage()).count(reply)

    def _add(self, reply: Reply, outcome: str) -> None:
        by_outcome = self.usage.setdefault(reply.model, {})
        by_outcome.setdefault(outcome, StageUsage()).count(reply)


def _outcome(fate: str, result: Record | Rejection | None) -> str:
    """What a reply's money went into, see `lemma.ledger`."""
    if fate in ("retried", "refused"):
        return fate
    return "kept" if fate == "read" and not isinstance(result, Rejection) else "rejected"


def tally_keys(unit: Any, record: Record) -> list[str]:
    """What a manifest counts a record under: JSON lists, so that any name may stand in them."""
    if isinstance(record, Sample):
        verdict = {True: "right", False: "wrong", None: "undecided"}[record.is_correct]
        keys = [[record.problem.dataset, record.model, "no_answer" if record.answer is None else verdict]]
        claimed = unit.given.claimed_correct if isinstance(unit, SampleUnit) and unit.given else None
        if claimed is not None and record.is_correct is not None and claimed != record.is_correct:
            keys.append([record.problem.dataset, record.model, "flag_disagrees"])
        return [json.dumps(key, ensure_ascii=False) for key in keys]
    if isinstance(record, Mistake):
        return [tally_key(record)]
    if isinstance(record, Trajectory):
        mistake = record.mistake
        key = [mistake.problem.dataset, mistake.origin, record.strategy, mistake.error_type]
        return [json.dumps(key, ensure_ascii=False)]
    return []
