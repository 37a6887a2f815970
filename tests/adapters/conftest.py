"""What the tests of several adapters share."""

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest


@pytest.fixture
def in_four_threads() -> Iterator[Callable]:
    """A function that calls `work(i)` for i < 4 in a thread each; Python switches between them as often as it can."""

    def run(work: Callable[[int], None]) -> None:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(4)))

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield run
    sys.setswitchinterval(interval)
