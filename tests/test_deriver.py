"""The process beside the loop, alone; `test_endpoints` kills it, `test_crash` its parent."""

from __future__ import annotations

import asyncio
import signal
from types import FrameType

from lemma.deriver import Deriver


def test_thousands_of_parts_may_wait_for_it() -> None:
    # a pipe holds a few hundred numbers, or results, and then blocks its writer
    def derive(number: int) -> tuple[int, str]:
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
        with Deriver(derive) as deriver:
            results = asyncio.run(submit_all(deriver))
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    assert [number for number, _ in results] == list(range(5000))
