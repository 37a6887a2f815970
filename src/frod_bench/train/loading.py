"""Rows on their way to the device: this process's part of every batch."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor
from torch.utils.data import DataLoader

from frod_bench.errors import RunFailure


class Loader:
    """Makes batches with `collate`, in `workers` processes beside an accelerator.

    On a CPU there are none: they would take its cores from the model.
    """

    def __init__(self, accelerator: Accelerator, collate: Callable[[list[dict[str, Any]]], dict[str, Tensor]]):
        self._accelerator, self._collate = accelerator, collate
        self._on_cuda = accelerator.device.type == "cuda"
        self.workers = 2 if self._on_cuda else 0

    def __call__(self, rows: Any, batches: list[list[int]], begun: bool) -> Iterator[tuple[dict[str, Tensor], int]]:
        """Yield this process's part of every batch on the device, and how many of its rows count.

        A process without a row of its own computes on the first row, which then counts nothing. The start of a
        loader draws a random number; with `begun` that was drawn before, and the random state stays as it is.
        Raises RunFailure when a worker dies.
        """
        world, rank = self._accelerator.num_processes, self._accelerator.process_index
        own = [batch[rank::world] for batch in batches]
        loader = DataLoader(
            rows,
            batch_sampler=[part or batch[:1] for part, batch in zip(own, batches, strict=True)],
            collate_fn=self._collate,
            num_workers=self.workers,
            pin_memory=self._on_cuda,
        )
        with torch.random.fork_rng(devices=[], enabled=begun):
            made = iter(loader)
        for part in own:
            yield {k: v.to(self._accelerator.device, non_blocking=True) for k, v in self._next(made).items()}, len(part)

    def _next(self, made: Iterator[dict[str, Tensor]]) -> dict[str, Tensor]:
        try:
            return next(made)
        except RuntimeError as error:
            if self.workers and "DataLoader worker" in str(error):
                raise RunFailure(
                    "A process that makes batches has died; too little memory is the usual reason. The same command"
                    " goes on from the last checkpoint."
                ) from error
            raise


class Timed(Iterator):
    """An iterator that adds up how long its reader has waited for it."""

    def __init__(self, items: Iterator, waited_s: float = 0.0):
        self._items, self.waited_s = items, waited_s

    def __next__(self) -> Any:
        start = time.perf_counter()
        item = next(self._items)
        self.waited_s += time.perf_counter() - start
        return item
