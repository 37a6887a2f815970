"""The program that runs the released fork's layers; it imports nothing of this package.

It reads a request from standard input and writes numbers to standard output; `fork` starts it.
"""

import contextlib
import json
import os
import re
import sys
import tempfile
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

_PACKAGE = "peft.tuners.frod"  # both releases of the fork and PEFT itself have this folder
_ADAPTER = "default"
_WIDTH, _LAYERS, _ROWS = 48, 3, 16


def start(layer: str, model: str) -> dict[str, Any]:
    """Return the relative distance of a freshly adapted layer's output from W x, and from 2 W x."""
    weight, adapted = _adapted(layer, model)
    x = _inputs()
    with torch.no_grad():
        found, base = adapted(x), x @ weight.T
    return {"from_once": _relative(found, base), "from_twice": _relative(found, 2 * base)}


def product(layer: str, model: str) -> dict[str, Any]:
    """Return the relative difference between what S adds in the forward pass and what it adds in merging."""
    _, adapted = _adapted(layer, model)
    x = _inputs()
    with torch.no_grad():
        still = adapted(x)
        values = adapted.FROD_lambda_S_values[_ADAPTER]
        values.copy_(0.1 * torch.randn(len(values), generator=torch.Generator().manual_seed(2)))
        moved = adapted(x) - still
        with_s = adapted.get_delta_weight(_ADAPTER)
        values.zero_()
        added = with_s - adapted.get_delta_weight(_ADAPTER)  # U S V^T
    return {"difference": _relative(moved, x @ added.T)}


def densities(layer: str, model: str, densities: list[float]) -> dict[str, Any]:
    """Return how many values of S train at each density, in one working directory and in one each."""
    together = _bases(layer, model, densities)
    alone = [_bases(layer, model, [density])[0] for density in densities]
    counts = [[int(_places(shared).sum()) for shared in made] for made in (together, alone)]
    return {"together": counts[0], "alone": counts[1], "width": _WIDTH}


def keys(layer: str, model: str, density: float, key: int) -> dict[str, Any]:
    """Return how many places of S two draws with one `projection_prng_key` share, and how many each has."""
    first, second = (_places(_bases(layer, model, [density], key)[0]) for _ in range(2))
    return {"both": int((first & second).sum()), "places": int(first.sum())}


def _adapted(layer: str, model: str) -> tuple[Tensor, Any]:
    """Return the weight W [n, n] of a linear layer and the release's adapted layer around it."""
    shared = _bases(layer, model, [0.1])[0]
    base = _backbone()[0]
    weight = base.weight.detach().clone()
    return weight, _load(layer, {}).Linear(base, *shared.values(), _ADAPTER)


def _bases(layer: str, model: str, densities: list[float], key: int = 3) -> list[dict[str, Any]]:
    """Return the bases that the release makes for runs with these densities, in turn in one directory.

    Each holds V, then the places of S, in the release's own containers under the release's names.
    """
    layers = _load(layer, {})
    names = {"FRODConfig": object, "FRODLayer": layers.FRODLayer, "Linear": layers.Linear}
    tuner = _load(model, names).FRODModel
    make = next(function for name, function in vars(tuner).items() if name.startswith("_init_FROD_V"))
    with tempfile.TemporaryDirectory() as folder:
        return [_make(make, density, key, folder) for density in densities]


def _load(text: str, names: dict[str, Any]) -> ModuleType:
    module = ModuleType(f"{_PACKAGE}.audited")
    vars(module).update(names, __package__=_PACKAGE)
    text = re.sub(r"^from \.(config|layer) import .*$", "", text, flags=re.MULTILINE)
    exec(text, vars(module))
    return module


def _make(make: Any, density: float, key: int, folder: str) -> dict[str, Any]:
    model = nn.Module()
    model.encoder = nn.Module()  # named as CLIP's layers are: the releases read the number out of the name
    blocks = [nn.ModuleDict({"self_attn": nn.ModuleDict({"q_proj": linear})}) for linear in _backbone()]
    model.encoder.layers = nn.ModuleList(blocks)
    owner = SimpleNamespace(
        model=nn.ModuleDict({"vision_model": model}),
        get_model_config=lambda model: {},
        _prepare_adapter_config=lambda config, about: config,
        _check_target_module_exists=lambda config, key: key.endswith("q_proj"),
    )
    config = SimpleNamespace(
        model_dir=folder,
        sparse_rate=density,
        projection_prng_key=key,
        save_projection=False,
        target_modules={"q_proj"},
    )
    make(owner, config, _ADAPTER)
    made = sorted((name for name in vars(owner) if name.startswith("FROD_")), key="FROD_V".__ne__)  # V comes first
    return {name: getattr(owner, name)["self_attn.q_proj"] for name in made}


def _places(shared: dict[str, Any]) -> Tensor:
    """Return the places of S as a mask [n, n]."""
    content = next(value for name, value in shared.items() if name in ("FROD_S_indices", "FROD_S_mask"))[_ADAPTER]
    if content.shape[0] == content.shape[1]:
        return content.bool()
    mask = torch.zeros(_WIDTH, _WIDTH, dtype=torch.bool)
    mask[content[0], content[1]] = True
    return mask


def _backbone() -> list[nn.Linear]:
    layers = [nn.Linear(_WIDTH, _WIDTH, bias=False) for _ in range(_LAYERS)]
    generator = torch.Generator().manual_seed(0)
    for linear in layers:
        nn.init.normal_(linear.weight, std=_WIDTH**-0.5, generator=generator)
    return layers


def _inputs() -> Tensor:
    return torch.randn(_ROWS, _WIDTH, generator=torch.Generator().manual_seed(1))


def _relative(found: Tensor, wanted: Tensor) -> float:
    return ((found - wanted).norm() / wanted.norm()).item()


_CHECKS: dict[str, Callable[..., dict[str, Any]]] = {
    "start": start,
    "product": product,
    "densities": densities,
    "keys": keys,
}


def main() -> None:
    """Answer one request; whatever the release prints goes to standard error."""
    request = json.load(sys.stdin)
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    torch.manual_seed(0)
    with contextlib.redirect_stdout(sys.stderr):
        found = _CHECKS[request["check"]](request["layer"], request["model"], **request["settings"])
    json.dump(found, answer)
    answer.close()


if __name__ == "__main__":
    main()
