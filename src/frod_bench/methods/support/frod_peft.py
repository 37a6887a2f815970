"""FRoD in PEFT's own coordinates, and the checkpoints of PEFT's `FrodConfig`.

Such a checkpoint holds V, sigma and S but not U: when a model is built, PEFT computes V from the base weights in
float32 and U from that V, and only then reads the saved V. The checkpoint is therefore correct only where PEFT computes
the same V again, which takes the same kind of CPU and number of threads: in float32 nearly equal eigenvalues mix, and
the signs of eigenvectors are free. A checkpoint whose V differs from the computed one is refused.
"""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from peft import FrodConfig
from peft.tuners.frod import FrodModel
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from frod_bench.adapters import base_weight
from frod_bench.adapters.frod import FrodLinear
from frod_bench.adapters.frod_basis import FrodBasis, RightBasis
from frod_bench.errors import RequestError
from frod_bench.linalg.joint import reconstruction_errors
from frod_bench.linalg.joint_stored import require_rebuilt
from frod_bench.linalg.right_inverse import basis_inverse, right_errors
from frod_bench.methods.support.adapted import Adapted
from frod_bench.methods.support.checkpoint import read_checkpoint_tensors
from frod_bench.methods.support.frod_groups import Coordinates
from frod_bench.methods.support.peft_method import PeftLayer, write_peft_checkpoint
from frod_bench.ops.diag_sparse import UnstructuredPattern, pattern_size

ADAPTER = "default"
UPDATE_TOLERANCE = 1e-2  # largest relative error of a layer's update W' - W in a checkpoint for PEFT
V_TOLERANCE = 1e-3  # largest relative difference between a saved V and the computed one


def make_tuner(layers: dict[str, nn.Linear], sparsity: float, pi: float, seed: int) -> FrodModel:
    """Return PEFT's FRoD over a tree of these layers alone, under their own names; it shares the base layers.

    Raises RequestError where PEFT cannot decompose them: layers of one kind with several widths, as in Swin, or too
    nearly dependent ones.
    """
    tree = nn.Module()
    for name, layer in layers.items():
        parent = tree
        *path, leaf = name.split(".")
        for part in path:
            if part not in parent._modules:
                parent.add_module(part, nn.Module())
            parent = parent.get_submodule(part)
        parent.add_module(leaf, layer)
    config = FrodConfig(
        target_modules=list(layers),
        sparse_rate=sparsity,
        regularization_alpha=pi,
        projection_prng_key=seed,
        fan_in_fan_out=any(isinstance(layer, Conv1D) for layer in layers.values()),
        progressbar=False,
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse invariant checks are implicitly disabled")  # of torch to PEFT
        try:
            return FrodModel(tree, config, ADAPTER)
        except RuntimeError as error:  # of torch, LinAlgError among them
            raise RequestError(
                f"PEFT's FRoD cannot take these weights ({error}). Train with method.basis=category, and export with"
                " --format merged, in Python merge()."
            ) from error


def coordinates(layers: dict[str, nn.Linear], sparsity: float, pi: float, seed: int) -> Iterator[Coordinates]:
    """Yield PEFT's factors of every layer; the pattern is PEFT's draw, cut to floor(s n^2) places."""
    tuner = make_tuner(layers, sparsity, pi, seed)
    bases: dict[int, FrodBasis] = {}
    for name, layer in layers.items():
        twin: PeftLayer = tuner.model.get_submodule(name)
        V, indices = twin.frod_V[ADAPTER], twin.frod_s_indices[ADAPTER]
        U, sigma = twin.frod_U[ADAPTER], twin.frod_lambda_l[ADAPTER].detach()
        weight = base_weight(layer).detach()
        if id(twin.frod_V) not in bases:
            rows, cols = indices[:, _by_row(indices)[: pattern_size(len(V), sparsity)]]
            inverse = basis_inverse(V.T)
            right = RightBasis(V.T.to(weight), None if inverse is None else inverse.to(weight))
            bases[id(twin.frod_V)] = FrodBasis(right, UnstructuredPattern(len(V), rows, cols))
        basis = bases[id(twin.frod_V)]
        rebuilt = reconstruction_errors([weight.cpu()], [U.cpu()], [sigma.cpu()], V.T.cpu())
        require_rebuilt([name], [weight], rebuilt)
        right_error = right_errors([weight], [U.to(weight)], [sigma.to(weight.device)], basis.right.inverse)
        yield Coordinates(name, U, sigma, basis, rebuilt.item(), right_error.item())


def save(adapted: Adapted, adapters: dict[str, FrodLinear], sparsity: float, pi: float, directory: Path) -> None:
    """Write a checkpoint for PEFT: the update of every layer, with the signs of PEFT's columns.

    Raises RequestError if PEFT's V differs so much that the update is off by more than `UPDATE_TOLERANCE`.
    """
    tuner = make_tuner({k: a.base_layer for k, a in adapters.items()}, sparsity, pi, adapted.seed)
    tensors: dict[str, Tensor] = {}
    twins: dict[str, PeftLayer] = {name: tuner.model.get_submodule(name) for name in adapters}
    for name, twin in twins.items():
        _transfer(adapters[name], twin)
        for leaf in ("frod_lambda_l", "frod_lambda_s_values"):
            tensors[f"base_model.model.{name}.{leaf}"] = getattr(twin, leaf)[ADAPTER]
    for name, twin in twins.items():  # after every transfer, as layers share a pattern
        _check(name, adapters[name], twin)
    for kind in ("frod_V", "frod_s_indices", "frod_s_size"):
        tensors |= {f"base_model.{kind}.{c}": shared[ADAPTER] for c, shared in getattr(tuner, kind).items()}
    write_peft_checkpoint(directory, adapted, tensors, tuner.peft_config[ADAPTER])


@torch.no_grad()
def _transfer(adapter: FrodLinear, twin: PeftLayer) -> None:
    pattern, V = adapter.basis.pattern, twin.frod_V[ADAPTER].to(adapter.U.device)
    sign = torch.where((V * adapter.basis.Vt.T).sum(dim=0) < 0, -1.0, 1.0)
    values, indices = twin.frod_lambda_s_values[ADAPTER].zero_(), twin.frod_s_indices[ADAPTER]
    values[: pattern.nnz] = adapter.values * sign[pattern.rows] * sign[pattern.cols]
    indices[:, : pattern.nnz] = torch.stack([pattern.rows, pattern.cols])
    twin.frod_lambda_l[ADAPTER] += adapter.delta()


@torch.no_grad()
def _check(name: str, adapter: FrodLinear, twin: PeftLayer) -> None:
    update, ours = twin.get_delta_weight(ADAPTER), adapter.merged_weight() - adapter.W
    update = update.T if twin.fan_in_fan_out else update
    error, size = (update - ours).norm().item(), ours.norm().item()
    if not error <= UPDATE_TOLERANCE * size + 1e-5 * adapter.weight.norm().item():
        raise RequestError(
            f"PEFT's basis of {name} is not the one trained in: of an update of norm {size:.2g}, {error:.2g} would be"
            " wrong. Train in float32 with method.basis=peft, or merge: --format merged, in Python merge()."
        )


def read_options(config: dict[str, Any]) -> tuple[dict[str, Any], list[str], list[str], int]:
    """Return options, targets, head and seed of PEFT's configuration. Raises RequestError for unsupported values."""
    config = FrodConfig().to_dict() | config
    targets = config["target_modules"]
    if not isinstance(targets, list):
        raise RequestError(f"target_modules={targets!r} is not accepted: a list of module names is.")
    if config["frod_dropout"]:
        raise RequestError(f"frod_dropout={config['frod_dropout']} is not accepted: only 0 is.")
    options = {"sparsity": config["sparse_rate"], "pi": config["regularization_alpha"]}
    head, seed = config["modules_to_save"] or [], config["projection_prng_key"]
    numbers = all(type(value) in (int, float) for value in options.values()) and type(seed) is int and seed >= 0
    if not (numbers and isinstance(head, list) and all(isinstance(name, str) for name in targets + head)):
        raise RequestError(
            "sparse_rate, regularization_alpha, projection_prng_key or modules_to_save has the wrong type."
        )
    return options, targets, head, seed


def read_state(adapters: dict[str, FrodLinear], directory: Path) -> dict[str, Tensor]:
    """Return the trainable values of a checkpoint of PEFT under their names in our model.

    Raises RequestError if its V or its pattern is not that of these layers.
    """
    shared, state = {}, {}
    for key, tensor in read_checkpoint_tensors(directory).items():
        name = key.removeprefix("base_model.").removeprefix("model.")
        if name.startswith(("frod_V.", "frod_s_indices.", "frod_s_size.")):
            shared[name] = tensor
        else:
            state[name.replace("frod_lambda_l", "sigma").replace("frod_lambda_s_values", "values")] = tensor
    bases = {k.removeprefix("frod_V."): V for k, V in shared.items() if k.startswith("frod_V.")}
    for name, adapter in adapters.items():
        kind = next((k for k, V in bases.items() if _same(V, adapter.basis.Vt.T.cpu())), None)
        if kind is None:
            raise RequestError(
                f"PEFT computes another basis for {name} here than the one in {directory}: the base weights, the kind"
                " of CPU or the number of threads differ. PEFT itself would load it and compute something else."
            )
        pattern, indices = adapter.basis.pattern, shared.get(f"frod_s_indices.{kind}", torch.zeros(2, 0).long())
        order = _by_row(indices)
        if not torch.equal(indices[:, order], torch.stack([pattern.rows, pattern.cols]).cpu()):
            raise RequestError(f"The pattern of {name} in {directory} is not the one PEFT draws from its seed.")
        if f"{name}.values" in state:
            state[f"{name}.values"] = state[f"{name}.values"][order]
    return state


def _by_row(indices: Tensor) -> Tensor:
    """Return the order that sorts places [2, nnz] by row, then by column."""
    return torch.argsort(indices[0] * 2**31 + indices[1])


def _same(saved: Tensor, computed: Tensor) -> bool:
    return saved.shape == computed.shape and bool((saved - computed).norm() <= V_TOLERANCE * computed.norm())
