from __future__ import annotations

import subprocess
import sys

import pytest

from lemma.executors.driver import near_addresses
from tests.conftest import ROOT


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
