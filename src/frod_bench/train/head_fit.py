"""Fit a model's head on the features of its frozen body: what the body can do, whatever it was trained on."""

from typing import Any, cast

import torch
from torch import Tensor, nn

from frod_bench.errors import RequestError
from frod_bench.module_names import in_matching_module
from frod_bench.train.batches import chunks
from frod_bench.train.loading import Loader, lengths_of

WEIGHT_DECAY = 1e-4  # times half the squared norm, added to the mean cross-entropy
_ITERATIONS = 200


def fit_head(model: nn.Module, head: list[str], rows: Any, load: Loader, batch_size: int) -> float:
    """Fit the head by L-BFGS on all rows at once, the body in evaluation mode; return the loss.

    The body computes the features once. Raises RequestError unless the head is one module that takes one tensor.
    """
    model.eval()
    module = _the_head(model, head)
    features, labels = _features(model, module, rows, load, batch_size)
    parameters = [p.requires_grad_() for p in module.parameters()]
    optimizer = torch.optim.LBFGS(parameters, max_iter=_ITERATIONS, line_search_fn="strong_wolfe")
    last = torch.zeros(())

    def closure() -> Tensor:
        nonlocal last
        optimizer.zero_grad()
        penalty = sum((p.square().sum() for p in parameters), torch.zeros((), device=labels.device))
        last = nn.functional.cross_entropy(module(features), labels) + WEIGHT_DECAY / 2 * penalty
        last.backward()
        return last

    with torch.enable_grad():
        optimizer.step(closure)
    optimizer.zero_grad()
    return last.item()


def _the_head(model: nn.Module, head: list[str]) -> nn.Module:
    found = {name: module for name, module in model.named_modules() if in_matching_module(name, head)}
    outer = [m for n, m in found.items() if not any(n != other and n.startswith(f"{other}.") for other in found)]
    if len(outer) != 1:
        raise RequestError(f"The head {', '.join(head)} has {len(outer)} modules; a frozen head can be fitted for one.")
    return outer[0]


@torch.no_grad()
def _features(model: nn.Module, module: nn.Module, rows: Any, load: Loader, batch_size: int) -> tuple[Tensor, Tensor]:
    """Return what the head is given, [rows, …], and the labels [rows]."""
    given: list[Tensor] = []
    labels: list[Tensor] = []
    hook = module.register_forward_pre_hook(lambda _, inputs: given.append(_needed(module, inputs[0])))
    try:
        lengths = lengths_of(rows)
        order = sorted(range(len(rows)), key=lambda row: lengths[row])
        for batch, own, _ in load(rows, lengths, list(chunks(order, batch_size)), begun=True):
            tensors = cast(dict[str, Tensor], batch)  # only batches for training hold a number as well
            model(**tensors)
            given[-1] = given[-1][:own]
            labels.append(tensors["labels"][:own])
    finally:
        hook.remove()
    return torch.cat(given).float(), torch.cat(labels)


def _needed(module: nn.Module, features: Tensor) -> Tensor:
    """Return the first token's features [rows, 1, n] of [rows, tokens, n] where the head reads no others."""
    first = features[:, :1]
    if features.ndim < 3 or features.shape[1] == 1:
        return features
    if torch.equal(module.forward(first), module.forward(features)):
        return first
    raise RequestError("The model's head reads all tokens of a row; a frozen head cannot be fitted for it.")
