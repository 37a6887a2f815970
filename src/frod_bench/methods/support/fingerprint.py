"""Small numbers that tell whether saved values mean the same thing in another model, and if not, why not."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from frod_bench.errors import RequestError

_SAME, _ROUNDED, _COMPUTED = 1e-5, 1e-2, 1e-3  # differences of a sketch, over the norm of the tensor
WEIGHT = ".weight"  # after the name of a layer, its base weight, where the name alone is something computed from it


class Sketch(NamedTuple):
    """`values` go into a file; those of a file are alike when no difference is above `tolerance`.

    A base weight has its sketch in full and its sketch in float16, so that one copy in half precision is told
    from other weights; `rounding` is the difference that two roundings of one tensor may have.
    """

    values: Tensor
    tolerance: Tensor | float
    rounding: float | None = None

    @property
    def of_base(self) -> bool:
        """Whether it is of a weight as it was loaded, and not of something computed from one, or drawn."""
        return self.rounding is not None


def weight_sketch(weight: Tensor) -> Sketch:
    """Return the sketch [2] of a weight [m, ...] as it was loaded; it is the same for one in bfloat16."""
    values = torch.cat([_projection(weight), _projection(weight.detach().half())])
    norm = _norm(weight)
    return Sketch(values, _SAME * norm, _ROUNDED * norm)


def computed_sketch(tensor: Tensor) -> Sketch:
    """Return the sketch [1] of a tensor [m, ...] that was computed or drawn."""
    return Sketch(_projection(tensor), _COMPUTED * _norm(tensor))


def given_sketch(values: Tensor) -> Sketch:
    """Return a sketch of numbers that are a sketch already."""
    return Sketch(values, 1e-4 + 1e-3 * values.abs())


def _projection(tensor: Tensor) -> Tensor:
    """Return one number [1] that is another one for another tensor [m, ...], and the same in bfloat16."""
    rounded = tensor.detach().bfloat16().double()
    matrix = rounded.flatten(1) if tensor.dim() > 1 else rounded[:, None]
    rows, columns = (torch.cos(torch.arange(size, device=matrix.device).double()) for size in matrix.shape)
    return (rows @ (matrix @ (columns + 2))).float().cpu()[None]


def _norm(tensor: Tensor) -> float:
    return torch.linalg.vector_norm(tensor.detach(), dtype=torch.float64).item()


def check_sketches(own: Mapping[str, Sketch], saved: Mapping[str, Tensor], place: str | Path) -> None:
    """Raise RequestError, saying what differs, unless the values saved in `place` with these sketches fit."""
    if not any(name.endswith(WEIGHT) for name in saved):  # versions before this one had no base weights beside others
        own = {name: sketch for name, sketch in own.items() if not name.endswith(WEIGHT)}
    if missing := sorted(own.keys() - saved.keys()) or sorted(saved.keys() - own.keys()):
        lacks = "it has nothing on" if missing[0] in own else "this model has no"
        raise RequestError(
            f"The adapter in {place} does not fit this model, it was made for other layers or options: {lacks}"
            f" {missing[0].removesuffix(WEIGHT)}."
        )
    for name in sorted(own, key=lambda name: not own[name].of_base):
        sketch, other = own[name], saved[name]
        if sketch.of_base and not _is_copy(sketch, other):
            layer = name.removesuffix(WEIGHT)
            if _difference(sketch, other) <= sketch.rounding:
                raise RequestError(
                    f"The adapter in {place} was made for base weights that differ a little from these ({layer}): for"
                    " others, or the same ones rounded in another way. Load the model in the precision of the training."
                )
            raise RequestError(f"The adapter in {place} was made for other base weights: {layer} differs.")
        if not (sketch.of_base or _alike(sketch, other)):
            base = "the same base weights" if any(m.of_base for m in own.values()) else "its base weights"
            raise RequestError(
                f"The adapter in {place} needs another {name} than is computed here from {base}. It was trained in"
                " another precision (load the model in that one), with another seed or option, or with another kind"
                " of CPU or version of torch."
            )


def _alike(sketch: Sketch, other: Tensor) -> bool:
    return other.shape == sketch.values.shape and bool(((other - sketch.values).abs() <= sketch.tolerance).all())


def _is_copy(sketch: Sketch, other: Tensor) -> bool:
    """Return whether one weight is the other one, or a rounding of it."""
    return _difference(sketch, other) <= sketch.tolerance


def _difference(sketch: Sketch, other: Tensor) -> float:
    """Return the smallest difference between a rounding of one weight and a rounding of the other."""
    differences = (sketch.values.double()[:, None] - other.double().flatten()).abs()
    return differences.nan_to_num(nan=float("inf")).min().item()
