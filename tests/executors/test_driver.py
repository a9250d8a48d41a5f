from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lemma.errors import ConfigError
from lemma.executors.driver import near_addresses
from lemma.pipeline import Options, Pipeline
from lemma.sharding import Shard
from tests.conftest import ROOT, example_config


def test_every_address_is_near_to_a_worker_and_every_worker_has_one() -> None:
    for workers in range(1, 9):
        for addresses in range(1, 9):
            near = [near_addresses(worker, workers, addresses) for worker in range(workers)]
            assert all(near)
            assert set().union(*near) == set(range(addresses))
            if addresses >= workers:  # and to no other one
                assert sum(map(len, near)) == addresses


@pytest.mark.parametrize("module", ["lemma.pipeline", "lemma.executors.driver", "lemma.executors.worker"])
def test_ray_is_not_loaded_where_nobody_asked_for_it(module: str) -> None:
    code = f"import {module}, sys; sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_a_missing_package_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(
        'data: [{dataset: rollouts, path: "example:gsm8k", limit: 2}]\ndecontaminate: []'
    )
    # None: as if it were not installed
    code = "import sys; sys.modules['ray'] = None; from lemma.cli import main; main()"
    command = [sys.executable, "-c", code, "sample", "config.yaml", "-o", "run", "--set", "executor.backend=ray"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "lemma: executor.backend: ray needs Ray: pip install 'lemma[ray]' (or set it to local)\n"


def test_ray_goes_neither_with_shards_nor_without_locks(tmp_path: Path) -> None:
    config = example_config(executor={"backend": "ray"})
    with pytest.raises(ConfigError, match="two ways"):
        Pipeline(tmp_path / "run", config, Options(shard=Shard(1, 2)))
    config = example_config(executor={"backend": "ray"}, shards={"leases": "heartbeat"})
    with pytest.raises(ConfigError, match="locks"):
        Pipeline(tmp_path / "run", config)
