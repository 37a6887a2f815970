"""Load this process's part of every batch onto the device."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import send_to_device
from torch import Tensor
from torch.utils.data import DataLoader

from frod_bench.errors import RequestError, RunFailure
from frod_bench.tasks.base import Batch

_IGNORED = -100  # the label of a token that does not count in the loss

MicroBatch = tuple[Batch, int, int]  # a batch, its number of rows and of targets


def lengths_of(rows: Any) -> list[int]:
    """Return the number of tokens of every row, 1 where rows have no `length`."""
    return list(rows["length"]) if "length" in rows.column_names else [1] * len(rows)


class Loader:
    """Make batches with `collate`, in `workers` processes when the model runs on a GPU.

    On a CPU there are no workers, since they would take cores from the model. Rows marked as `costly`, such as images
    that are decoded at every access, get four times as many workers.
    """

    def __init__(self, accelerator: Accelerator, collate: Callable[[list[dict[str, Any]]], Batch]):
        self._accelerator, self._collate = accelerator, collate
        self._on_cuda = accelerator.device.type == "cuda"
        self.workers = 2 if self._on_cuda else 0

    def __call__(
        self,
        rows: Any,
        lengths: list[int],
        batches: list[list[int]],
        begun: bool,
        together: list[list[int]] | None = None,
        count_tokens: bool = False,
    ) -> Iterator[MicroBatch]:
        """Yield this process's part of every batch, on the device, with the number of its rows and of its targets.

        Targets are rows, or with `count_tokens` the tokens that a language model learns to predict. Each part is padded
        to the longest row of the whole batch, or of the rows in `together`. A process without a row of its own computes
        on that longest row, which counts as 0 rows and 0 targets. Starting a DataLoader draws a random number: with
        `begun` it was drawn earlier, and the random state is left alone. Raises RunFailure when a worker dies.
        """
        world, rank = self._accelerator.num_processes, self._accelerator.process_index
        own = [batch[rank::world] for batch in batches]
        longest = [_longer(part, rows, lengths) for part, rows in zip(own, together or batches, strict=True)]
        loader = DataLoader(
            rows,
            batch_sampler=[part + row for part, row in zip(own, longest, strict=True)],
            collate_fn=self._collate,
            num_workers=self.workers * (4 if getattr(rows, "costly", False) else 1),
            pin_memory=self._on_cuda,
        )
        with torch.random.fork_rng(devices=[], enabled=begun):
            made = iter(loader)
        for part in own:
            rows_kept = max(len(part), 1)
            kept = {k: v[:rows_kept] if isinstance(v, Tensor) else v for k, v in self._next(made).items()}
            labels = kept["labels"]
            targets = len(part)
            if part and count_tokens and isinstance(labels, Tensor):
                targets = _count_tokens(labels)
            yield send_to_device(kept, self._accelerator.device, non_blocking=True), len(part), targets

    def _next(self, made: Iterator[Batch]) -> Batch:
        try:
            return next(made)
        except RequestError as error:  # a worker wraps the message in the text of a traceback
            raise RequestError(str(error).rpartition("RequestError: ")[2].strip()) from None
        except RuntimeError as error:
            if self.workers and "DataLoader worker" in str(error):
                raise RunFailure(
                    "A data-loading worker died, usually for lack of memory. The same command resumes from the last"
                    " checkpoint."
                ) from error
            raise


def _longer(part: list[int], rows: list[int], lengths: list[int]) -> list[int]:
    """Return the longest of `rows` in a list, or [] when a row of `part` is as long."""
    row = max(rows, key=lengths.__getitem__)
    return [] if any(lengths[own] == lengths[row] for own in part) else [row]


class TimedIterator(Iterator):
    """An iterator that adds up the seconds its reader waited for items."""

    def __init__(self, items: Iterator, waited_s: float = 0.0):
        self._items, self.waited_s = items, waited_s

    def __next__(self) -> Any:
        start = time.perf_counter()
        item = next(self._items)
        self.waited_s += time.perf_counter() - start
        return item


def _count_tokens(labels: Tensor) -> int:
    """Return the number of tokens in labels [batch, length] that the loss averages over; the first predicts nothing."""
    return int((labels[:, 1:] != _IGNORED).sum())
