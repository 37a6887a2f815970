"""The loss over a plane of two random directions through a model's weights, filter-normalised (Li et al. 2018, Sec. 4).

The plane lies in the space of the effective weights, which all methods have in common, and not in that of a method's
own parameters: LoRA's B and FRoD's S start at zero, so their filters have no norm to normalise to.
"""

from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel

Weights = dict[str, Tensor]
Batch = dict[str, Tensor]
Point = tuple[float, float]


def directions(weights: Weights, seed: int) -> tuple[Weights, Weights]:
    """Return two Gaussian directions; each row of a direction [m, n] has the norm of the weight's own row.

    The draw depends only on the seed, the names and the shapes, so it is the same for every method.
    """
    generator = torch.Generator().manual_seed(seed)
    drawn = [{name: torch.randn(weights[name].shape, generator=generator) for name in sorted(weights)} for _ in "xy"]
    x, y = ({name: _like_rows(d, weights[name]) for name, d in direction.items()} for direction in drawn)
    return x, y


def _like_rows(direction: Tensor, weight: Tensor) -> Tensor:
    direction = direction.to(weight.device, weight.dtype)
    norms = weight.flatten(1).norm(dim=1) / direction.flatten(1).norm(dim=1)
    return direction * norms.view(-1, *[1] * (weight.ndim - 1))


def grid(points: int, span: float) -> list[Point]:
    """Return a `points` x `points` grid of (x, y) over [-span, span], row by row from the bottom."""
    ticks = [span * (2 * i / (points - 1) - 1) for i in range(points)]
    return [(x, y) for y in ticks for x in ticks]


@torch.no_grad()
def losses(
    model: nn.Module,
    weights: Weights,
    batches: list[tuple[Batch, int]],
    points: Iterable[Point],
    seed: int,
    together: int = 1,
    progress: Callable[[int], object] = lambda count: None,
) -> Iterator[tuple[Point, float]]:
    """Yield the mean loss over the rows of the batches (tensors, rows) at each point, as they are computed.

    `weights` are the model's parameters that move. A forward pass takes `together` points and holds that many copies of
    them. The model is put into evaluation mode; its weights do not change.
    """
    model.eval()
    along_x, along_y = directions(weights, seed)
    rows = sum(count for _, count in batches)

    def loss(x: Tensor, y: Tensor) -> Tensor:
        moved = {name: w + x * along_x[name] + y * along_y[name] for name, w in weights.items()}
        parts = [functional_call(model, moved, (), batch).loss * count for batch, count in batches]
        return torch.stack(parts).sum() / rows

    device = next(iter(weights.values())).device
    for chunk in _chunks(list(points), together):
        x, y = torch.tensor(chunk, device=device).T
        if len(chunk) > 1:
            with sdpa_kernel(SDPBackend.MATH):  # the fused kernels do not support batched weights
                values = torch.vmap(loss)(x, y)
        else:
            values = loss(x[0], y[0])[None]
        yield from zip(chunk, values.tolist(), strict=True)
        progress(len(chunk))


def _chunks(points: list[Point], size: int) -> Iterator[list[Point]]:
    for start in range(0, len(points), size):
        yield points[start : start + size]
