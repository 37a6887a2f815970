"""Which rows make which optimizer step: a pure function of the seed and the epoch."""

from collections.abc import Iterator, Sequence

import torch

_POOL = 50  # batches sorted by length together


def plan_epoch(
    lengths: Sequence[int],
    batch_size: int,
    micro_batches: int,
    seed: int,
    epoch: int,
    group_by_length: bool,
    last_batch: float = 0.0,
) -> list[list[list[int]]]:
    """Return the row numbers of one epoch as steps of micro-batches of rows.

    Every row occurs once. An incomplete last batch is dropped when it holds no more than the fraction `last_batch` of a
    batch, unless it is the only one. With `group_by_length` the shuffled rows are sorted by length within pools of 50
    batches, and the batches are shuffled again, so that a batch holds rows of similar length.
    """
    generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    rows = torch.randperm(len(lengths), generator=generator).tolist()
    if group_by_length:
        pools = chunks(rows, _POOL * batch_size)
        rows = [row for pool in pools for row in sorted(pool, key=lambda r: lengths[r], reverse=True)]
    batches = list(chunks(rows, batch_size))
    if len(batches) > 1 and len(batches[-1]) <= last_batch * batch_size:
        batches.pop()
    if group_by_length:
        batches = [batches[i] for i in torch.randperm(len(batches), generator=generator).tolist()]
    micro = -(-batch_size // micro_batches)
    return [list(chunks(batch, micro)) for batch in batches]


def chunks(rows: Sequence[int], size: int) -> Iterator[list[int]]:
    """Cut rows into lists of `size`; the last may be shorter."""
    for start in range(0, len(rows), size):
        yield list(rows[start : start + size])
