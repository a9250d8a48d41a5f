"""Shards of a run on a local S3 (moto's server), each on a machine of its own: at once, seconds apart, and killed.

LEMMA_SCALE_COUNT says how often each is tried (1); how long it took and what was asked again is printed. Needs
`lemma[s3]` and `moto[server]`, see `scripts/test_scale.sh`.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lemma.storage.objects import S3Objects
from tests.conftest import MockServer, files_of
from tests.protocol.commands import TIMEOUT_S, write_config
from tests.storage.machines import CONCURRENCY, config_tree, copy_in, keys, made, run, start

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]  # warnings of others' packages are theirs

COUNT = int(os.environ.get("LEMMA_SCALE_COUNT", "1"))
LATEST_S = 4.0
"""How long after the first the last shard begins, at most."""


@dataclass
class Trial:
    """A run by shards, beside one in a folder that nobody disturbed."""

    folder: Path
    objects: S3Objects
    mock: MockServer
    count: int
    lease_s: float = 15
    processes: dict[int, subprocess.Popen[str]] = field(default_factory=dict)
    caches: dict[int, Path] = field(default_factory=dict)

    def __post_init__(self) -> None:
        tree = config_tree(self.folder, self.mock.base_url, 18, lease_s=self.lease_s)
        # the libraries that other formats need load slowly
        more = {"shards": {"size": 3}, "export": {"formats": ["alpaca"], "near_duplicates": None}}
        self.config = write_config(self.folder / "config.yaml", {**tree, **more})
        self.address = f"s3://{self.objects._root}"
        self.local = self.folder / "local"
        assert run(self.folder, "run", self.config, "-o", self.local, "--quiet").returncode == 0
        self.calls = self.stats()["ok"]
        assert self.stats()["duplicates"] == 0
        reset = self.mock.base_url.removesuffix("/v1") + "/stats/reset"
        urllib.request.urlopen(urllib.request.Request(reset, method="POST")).close()

    def stats(self) -> dict[str, Any]:
        return self.mock.stats()

    def begin(self, index: int, cache: str = "") -> None:
        """Starts a shard, on the machine that it was on, or another."""
        if cache or index not in self.caches:
            self.caches[index] = self.folder / (cache or f"machine{index}")
        arguments = ("run", self.config, "-o", self.address, "--quiet", "--shard", f"{index}/{self.count}")
        self.processes[index] = start(self.caches[index], *arguments)

    def kill(self, index: int) -> None:
        self.processes[index].kill()
        self.processes[index].communicate()

    def pieces(self) -> list[str]:
        """The pieces of replies that are in the storage; none of them ever changes."""
        return [name for name in self.objects.listed() if "/replies/" in name]

    def sent(self, names: list[str]) -> set[str]:
        """Keys of the replies in some pieces."""
        pieces = [self.objects.read(name) or b"" for name in names]
        return {json.loads(line)["key"] for piece in pieces for line in piece.splitlines()}

    def end(self, lost: int) -> None:
        """All shards have ended well, the bytes are those of the folder, and no more was asked again than was lost."""
        ends = {}
        for index, process in self.processes.items():
            _, error = process.communicate(timeout=TIMEOUT_S)
            ends[index] = (process.returncode, error)
        assert [status for status, _ in ends.values()] == [0] * self.count, ends
        again = self.stats()["duplicates"]
        print(f"{again} of {self.calls} calls made again (at most {lost})", end="; ")
        assert again <= lost
        assert run(self.folder / "elsewhere", "run", self.config, "-o", self.address, "--quiet").returncode == 0
        assert self.stats()["duplicates"] == again
        assert self.stats()["ok"] - again == self.calls
        here = copy_in(self.folder / "elsewhere")
        assert made(here) == files_of(self.local)
        assert set(keys(here)) == set(keys(self.local))
        assert len(keys(here)) == self.calls

    def stop(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.communicate()


@pytest.mark.parametrize("number", range(COUNT))
@pytest.mark.parametrize("count", [2, 3])
def test_shards_on_machines_of_their_own_make_the_same_bytes_with_nothing_asked_twice(
    tmp_path: Path, objects: S3Objects, mock: MockServer, count: int, number: int
) -> None:
    trial = Trial(tmp_path, objects, mock, count)
    dice = random.Random(f"{count} {number}")
    waits_s = [0.0, *(dice.choice([0.0, dice.uniform(0, LATEST_S)]) for _ in range(count - 1))]
    began_s = time.monotonic()
    try:
        for index, wait_s in zip(dice.sample(range(1, count + 1), count), sorted(waits_s), strict=True):
            time.sleep(max(0.0, began_s + wait_s - time.monotonic()))
            trial.begin(index)
        trial.end(lost=0)
    finally:
        trial.stop()
    print(f"{count} shards, begun within {max(waits_s):.1f} s: {time.monotonic() - began_s:.1f} s", end="")


@pytest.mark.parametrize("number", range(COUNT))
@pytest.mark.parametrize("is_elsewhere", [False, True], ids=["same-machine", "elsewhere"])
@pytest.mark.parametrize("count", [2, 3])
def test_a_shard_that_is_killed_and_begun_again_loses_only_what_was_not_sent(
    tmp_path: Path, objects: S3Objects, mock: MockServer, count: int, is_elsewhere: bool, number: int
) -> None:
    trial = Trial(tmp_path, objects, mock, count)
    dice = random.Random(f"{count} {is_elsewhere} {number}")
    victim, share = dice.randint(1, count), dice.uniform(0.02, 0.98)
    began_s = time.monotonic()
    try:
        for index in range(1, count + 1):
            trial.begin(index)
        while trial.stats()["ok"] < share * trial.calls and trial.processes[victim].poll() is None:
            time.sleep(0.01)
        is_alive = trial.processes[victim].poll() is None
        trial.kill(victim)
        pieces, before = trial.pieces(), trial.caches[victim]
        trial.begin(victim, cache="another" if is_elsewhere else "")
        unsent = set(keys(copy_in(before))) - trial.sent(pieces) if is_elsewhere else set()
        trial.end(lost=CONCURRENCY + len(unsent) if is_alive else 0)
    finally:
        trial.stop()
    took_s = time.monotonic() - began_s
    print(f"{count} shards, {victim} killed at {share:.0%} with {len(unsent)} replies not sent: {took_s:.1f} s", end="")
