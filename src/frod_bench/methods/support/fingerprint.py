"""Sketches of tensors: a few numbers that tell whether a saved adapter fits a model, and if not, why not."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from frod_bench.errors import RequestError

_SAME, _ROUNDED, _COMPUTED = 1e-5, 1e-2, 1e-3  # allowed differences of a sketch, relative to the norm of the tensor
WEIGHT = ".weight"  # marks the base weight of a layer where its plain name is for something computed from it


class Sketch(NamedTuple):
    """`values` are saved; they match the values in a file if no difference exceeds `tolerance`.

    For a base weight there are two: from the weight as it is, and rounded to float16, to tell its copies in half
    precision from other weights. `rounding` is the difference that two roundings of one tensor may have.
    """

    values: Tensor
    tolerance: Tensor | float
    rounding: float | None = None

    @property
    def of_base(self) -> bool:
        """Whether this is the sketch of a weight as it was loaded, not of a tensor that was computed or drawn."""
        return self.rounding is not None


def weight_sketch(weight: Tensor) -> Sketch:
    """Return the sketch [2] of a base weight [m, ...]; a copy in bfloat16 has the same one."""
    values = torch.cat([_projection(weight), _projection(weight.detach().half())])
    norm = _norm(weight)
    return Sketch(values, _SAME * norm, _ROUNDED * norm)


def computed_sketch(tensor: Tensor) -> Sketch:
    """Return the sketch [1] of a tensor [m, ...] that was computed or drawn."""
    return Sketch(_projection(tensor), _COMPUTED * _norm(tensor))


def given_sketch(values: Tensor) -> Sketch:
    """Return a `Sketch` of values that were computed elsewhere, with a relative tolerance of 1e-3."""
    return Sketch(values, 1e-4 + 1e-3 * values.abs())


def _projection(tensor: Tensor) -> Tensor:
    """Return a number [1] that identifies a tensor [m, ...], and is the same for its copy in bfloat16."""
    rounded = tensor.detach().bfloat16().double()
    matrix = rounded.flatten(1) if tensor.dim() > 1 else rounded[:, None]
    rows, columns = (torch.cos(torch.arange(size, device=matrix.device).double()) for size in matrix.shape)
    return (rows @ (matrix @ (columns + 2))).float().cpu()[None]


def _norm(tensor: Tensor) -> float:
    return torch.linalg.vector_norm(tensor.detach(), dtype=torch.float64).item()


def check_sketches(own: Mapping[str, Sketch], saved: Mapping[str, Tensor], place: str | Path) -> None:
    """Raise RequestError, saying what differs, unless the sketches saved in `place` match the model's `own`."""
    if not any(name.endswith(WEIGHT) for name in saved):  # older files lack the extra sketches of base weights
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
            if _difference(sketch, other) <= (sketch.rounding or 0.0):
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
    """Return whether one weight is the other, or a rounding of it."""
    return bool(_difference(sketch, other) <= sketch.tolerance)


def _difference(sketch: Sketch, other: Tensor) -> float:
    """Return the smallest difference between a rounding of one weight and a rounding of the other."""
    differences = (sketch.values.double()[:, None] - other.double().flatten()).abs()
    return differences.nan_to_num(nan=float("inf")).min().item()
