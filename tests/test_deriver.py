"""The process beside the loop, alone; `test_endpoints` kills it, `test_crash` its parent."""

from __future__ import annotations

import asyncio
import signal
from types import FrameType

import pytest

from lemma.deriver import Deriver, Tell
from lemma.errors import Interrupted


@pytest.mark.parametrize("processes", [1, 3])
def test_thousands_of_parts_may_wait_for_it(processes: int) -> None:
    # a pipe holds a few hundred numbers, or results, and then blocks its writer
    heard: list[int] = []

    def derive(number: int, tell: Tell) -> tuple[int, str]:
        tell(number)
        return number, "x" * 2000

    def too_long(number: int, frame: FrameType | None) -> None:
        raise TimeoutError

    async def submit_all(deriver: Deriver) -> list[tuple[int, str]]:
        deriver.attach(asyncio.get_running_loop())
        try:
            futures = [deriver.submit(number) for number in range(5000)]
            return list(await asyncio.gather(*futures))
        finally:
            deriver.detach()

    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(60)
    try:
        with Deriver(derive, processes, hear=heard.append) as deriver:
            results = asyncio.run(submit_all(deriver))
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    assert [number for number, _ in results] == list(range(5000))
    assert sorted(heard) == list(range(5000))


def test_what_is_under_way_or_queued_ends_when_it_is_stopped() -> None:
    def derive(number: int, tell: Tell) -> None:
        while True:
            tell(number)

    async def stop_at_a_word() -> list[BaseException | None]:
        deriver.attach(asyncio.get_running_loop())
        try:
            futures = [deriver.submit(number) for number in range(9)]
            return list(await asyncio.gather(*futures, return_exceptions=True))
        finally:
            deriver.detach()

    with Deriver(derive, 2, hear=lambda number: deriver.stop()) as deriver:
        results = asyncio.run(asyncio.wait_for(stop_at_a_word(), 60))
    assert all(isinstance(result, Interrupted) for result in results)
