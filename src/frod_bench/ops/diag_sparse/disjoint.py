"""Random sets of places that do not overlap: consecutive parts of one random order, of which only a part is computed.

The order is a Feistel network of four rounds over the next power of four, walked along its cycles until a place is
inside (Black and Rogaway 2002, "Ciphers with arbitrary finite domains"), so a part needs the memory of its own places.
"""

import zlib

import numpy as np
import torch
from torch import Tensor

_ROUNDS = 4
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))  # of splitmix64


def disjoint_places(places: int, count: int, part: int, seed: int, name: str) -> Tensor:
    """Return the numbers of the `part`-th `count` places of a random order of all `places`, sorted, [count] int64.

    The order depends on `seed` and `name` alone. Raises ValueError if there are fewer parts.
    """
    if not 0 <= part < parts(places, count):
        raise ValueError(f"{places} places have {parts(places, count)} parts of {count}, and part {part} is not one")
    keys = np.random.default_rng([seed, zlib.crc32(name.encode())]).integers(0, 2**63, _ROUNDS, dtype=np.uint64)
    half = np.uint64((max(places - 1, 1).bit_length() + 1) // 2)
    numbers = np.arange(part * count, (part + 1) * count, dtype=np.uint64)
    outside = np.ones(count, dtype=bool)
    while outside.any():
        numbers[outside] = _permuted(numbers[outside], keys, half)
        outside = numbers >= places
    return torch.from_numpy(np.sort(numbers).astype(np.int64))


def parts(places: int, count: int) -> int:
    """Return how many parts of `count` places there are."""
    return places // max(count, 1)


def _permuted(numbers: np.ndarray, keys: np.ndarray, half: np.uint64) -> np.ndarray:
    """Return a permutation of the numbers below 4^half."""
    mask = (np.uint64(1) << half) - np.uint64(1)
    left, right = numbers >> half, numbers & mask
    for key in keys:
        left, right = right, left ^ (_mixed(right + key) & mask)
    return (left << half) | right


def _mixed(x: np.ndarray) -> np.ndarray:
    """Return 64 bits that look random, from 64 bits."""
    for factor, shift in zip(_MIX, (30, 27), strict=True):
        x = (x ^ (x >> np.uint64(shift))) * factor
    return x ^ (x >> np.uint64(31))
