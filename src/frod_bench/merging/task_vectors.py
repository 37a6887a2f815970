"""What runs from the same base have changed, layer by layer, and the one update that it is merged into."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from frod_bench.errors import RequestError
from frod_bench.merging.algorithms import HOWS, dare, linear, ties
from frod_bench.merging.layers import LayerFiles
from frod_bench.merging.threshold import largest

Factors = Mapping[str, tuple[Tensor, Tensor, float]]  # by the name of a weight: B [m, r], A [r, n] and their scaling
_CLOSE = 1e-3  # relative difference of s B A and W' - W


@dataclass
class TaskVectors:
    """The base weights and each run's own, in files below `folder`; only changed tensors are kept.

    Differences are taken in float64, so that the base plus the whole update of one run is that run to the last bit.
    """

    folder: Path
    factors: list[Factors] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.base = LayerFiles(self.folder / "base")
        self._runs: list[LayerFiles] = []

    def write_base(self, tensors: Iterable[tuple[str, Tensor]]) -> None:
        """Write the weights that every run starts from."""
        for name, tensor in tensors:
            self.base.write(name, tensor)

    def add(self, tensors: Iterable[tuple[str, Tensor]], factors: Factors) -> None:
        """Write the tensors in which a run differs from the base. Raises RequestError where it is another model."""
        own = LayerFiles(self.folder / f"run{len(self._runs)}")
        for name, tensor in tensors:
            if name not in self.base or (start := self.base.read(name)).shape != tensor.shape:
                raise RequestError(f"The runs are of different models: {name} is not in both, or has another shape.")
            if not torch.equal(start, tensor.detach().cpu()):
                own.write(name, tensor)
        self._runs.append(own)
        self.factors.append(factors)

    def names(self) -> list[str]:
        """Return the names of the tensors that a run has changed, in the order of the model."""
        return [name for name in self.base if any(name in run for run in self._runs)]

    def deltas(self, name: str) -> Tensor:
        """Return W' - W of every run, [runs, ...] in float64."""
        start = self.base.read(name).double()
        zero = torch.zeros_like(start)
        return torch.stack([run.read(name).double() - start if name in run else zero for run in self._runs])

    def merged(self, how: str, density: float | None, seed: int) -> Iterator[tuple[str, Tensor]]:
        """Yield the name and the merged update of every changed tensor, in float64.

        `how` is one of `HOWS`. Raises RequestError for `lori_linear` of runs whose updates are not s B A.
        """
        way = HOWS[how]
        generator = torch.Generator().manual_seed(seed)
        kept = 1.0 if density is None else density
        thresholds = self._thresholds(kept) if way.trims else []
        for name in self.names():
            deltas = self.deltas(name)
            if way.combine is not None:
                yield name, way.combine(deltas)
            elif way.factors:
                yield name, linear(self._pairs(name, deltas))
            elif way.trims:
                yield name, ties(deltas, thresholds)
            else:
                yield name, dare(deltas, kept, generator)

    def _thresholds(self, density: float) -> list[float]:
        """Return for each run the smallest |entry| of its update that is among the share `density` of the largest."""
        entries = sum(self.base.read(name).numel() for name in self.names())
        kept = max(int(density * entries), 1)

        def entries_of(run: int) -> Iterator[Tensor]:
            return (self.deltas(name)[run] for name in self.names())

        return [largest(partial(entries_of, run), kept) for run in range(len(self._runs))]

    def _pairs(self, name: str, deltas: Tensor) -> list[tuple[Tensor, Tensor, float]]:
        pairs = []
        for factors, delta in zip(self.factors, deltas, strict=True):
            B, A, s = factors.get(name, (None, None, 0.0))
            if B is None or A is None or ((s * B.double() @ A.double()) - delta).norm() > _CLOSE * delta.norm() + 1e-6:
                raise RequestError(
                    "--how lori_linear is for runs whose whole update is s B A, such as those of lora and lori; that"
                    f" of {name} is another. Take task_arithmetic, which is lori_cat for every method."
                )
            pairs.append((B.double(), A.double(), s))
        return pairs
