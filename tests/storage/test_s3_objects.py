"""Conditional writes on a local S3 (moto's server), and who wins where many try.

Needs `lemma[s3]` and `moto[server]`; ``bash scripts/test_scale.sh`` installs them into an environment of its own.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from lemma.storage.objects import S3Objects

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]  # warnings of others' packages are theirs


def test_an_object_is_made_once_and_replaced_only_as_it_was_last_seen(objects: S3Objects) -> None:
    objects.check()
    tag = objects.put("a", b"1", None)
    assert tag is not None
    assert objects.put("a", b"2", None) is None
    assert objects.put("a", b"2", '"of-another"') is None
    assert objects.put("gone", b"2", tag) is None
    second = objects.put("a", b"2", tag)
    assert second not in (None, tag)
    assert objects.put("a", b"3", tag) is None
    assert (objects.read("a"), objects.tag("a")) == (b"2", second)
    assert objects.create("a", b"2"), "what is there already, word for word, counts as made: an answer may get lost"
    assert not objects.create("a", b"4")


def test_a_store_that_forgets_its_conditions_is_refused(objects: S3Objects) -> None:
    class Forgetful(S3Objects):
        def create(self, name: str, body: bytes) -> bool:
            self.write(name, body)
            return True

    with pytest.raises(Exception, match="If-None-Match"):
        Forgetful(objects._system, "s3://bucket/run", "bucket/run").check()


RACE = """
import sys
from lemma.heartbeat import HeartbeatLeases
from lemma.config import StorageConfig
from lemma.storage.objects import open_objects
from lemma.storage.leases import Below
leases = HeartbeatLeases(Below(open_objects(sys.argv[1]), ".leases/"), sys.argv[2])
leases.join()
print("ready", flush=True)
input()
print(*[part for part in range(int(sys.argv[3])) if leases.take("analyze", part) is not None], flush=True)
input()
leases.leave()
"""


def test_of_many_processes_that_claim_a_part_at_once_one_has_it(objects: S3Objects) -> None:
    parts, pipes = 12, {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    address = f"s3://{objects._root}"
    processes = [
        subprocess.Popen([sys.executable, "-c", RACE, address, str(number), str(parts)], **pipes)  # type: ignore[call-overload]
        for number in range(8)
    ]
    try:
        assert all(process.stdout.readline() == "ready\n" for process in processes)
        for process in processes:
            process.stdin.write("\n")
            process.stdin.flush()
        claimed = [[int(word) for word in process.stdout.readline().split()] for process in processes]
        for process in processes:
            process.communicate("\n")
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert sorted(part for some in claimed for part in some) == list(range(parts))
