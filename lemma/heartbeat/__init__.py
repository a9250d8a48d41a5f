"""Leases where nothing tells that a process has ended: on file systems without locks, and in object storage.

Every process shows itself by rewriting one small object now and then (`presence`); whoever has not done so for the
time to live is taken for dead, and its parts are taken over (`chains`, `leases`). All that this stands on is a store
that makes an object only where there is none (`ConditionalStore.create`): of many that try at once, one succeeds.
Names below ``.leases/``::

    processes/3f9c…            a process at work, rewritten now and then: who it is, and a number that grows
    alone.g00003               the lease of what one process at a time does: its third owner
    run.g00001                 the lease of a command that works on the run by itself
    analyze/part-00012.g00002  the lease of a part: its second owner
    epochs/00000001            epochs given out so far

An owner that is thought dead may wake up and write: *epochs* keep it from harming its successor. A part that is taken
over from a process that did not give it back gets an epoch that nobody had before, and with it replies of its own
(see `lemma.shards.folder.epoch_files`).
"""

from lemma.heartbeat.leases import HeartbeatLease, HeartbeatLeases
from lemma.heartbeat.store import ConditionalStore

__all__ = ["ConditionalStore", "HeartbeatLease", "HeartbeatLeases"]
