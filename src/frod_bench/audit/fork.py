"""Running the FRoD layers of the released PEFT fork inside the installed PEFT, on small random weights.

Only with `--code DIR`: two files of the authors' are executed as they stand at a commit.
"""

import contextlib
import io
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType, SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from frod_bench.audit.evidence import Missing
from frod_bench.audit.release import Release

LAYER, MODEL = "peft/src/peft/tuners/frod/layer.py", "peft/src/peft/tuners/frod/model.py"
_PACKAGE = "peft.tuners.frod"  # both releases of the fork and PEFT itself have this folder
_ADAPTER = "default"
_WIDTH, _LAYERS = 48, 3
_OLD_PICKLES = "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"  # the release reads its own files as torch 2.0 did


@dataclass(frozen=True)
class Setting:
    """What a run of the release is configured with."""

    density: float
    key: int = 3  # projection_prng_key


@dataclass(frozen=True)
class Basis:
    """What the release makes once and shares: V and the places of S, in its own containers."""

    shared: dict[str, Any]

    @property
    def places(self) -> Tensor:
        """The places of S as a mask [n, n]."""
        content = next(v for k, v in self.shared.items() if k in ("FROD_S_indices", "FROD_S_mask"))[_ADAPTER]
        if content.shape[0] == content.shape[1]:
            return content.bool()
        mask = torch.zeros(_WIDTH, _WIDTH, dtype=torch.bool)
        mask[content[0], content[1]] = True
        return mask


def bases(release: Release, commit: str, settings: Sequence[Setting]) -> list[Basis]:
    """Return what the release makes for runs with these settings, one after the other in one working directory."""
    with tempfile.TemporaryDirectory() as folder, _as_then():
        module = _load(release, MODEL, commit, _names(_load(release, LAYER, commit, {})))
        make = next(v for k, v in vars(module.FRODModel).items() if k.startswith("_init_FROD_V"))
        return [_make(make, setting, folder) for setting in settings]


def layer(release: Release, commit: str, basis: Basis) -> tuple[Tensor, Any]:
    """Return the weight W [n, n] of a linear layer and the release's adapted layer around it."""
    base = _backbone()[0]
    with _as_then():
        module = _load(release, LAYER, commit, {})
        weight = base.weight.detach().clone()
        return weight, module.Linear(base, *basis.shared.values(), _ADAPTER)


def _load(release: Release, path: str, commit: str, names: dict[str, Any]) -> ModuleType:
    source = release.source(path, commit)
    module = ModuleType(f"{_PACKAGE}.audited")
    vars(module).update(names, __package__=_PACKAGE)
    text = re.sub(r"^from \.(config|layer) import .*$", "", source.text, flags=re.MULTILINE)
    try:
        exec(compile(text, source.path, "exec"), vars(module))
    except ImportError as error:
        raise Missing(f"{source.at(1)} does not run in the installed PEFT ({error}).", "make setup") from error
    return module


def _names(layers: ModuleType) -> dict[str, Any]:
    return {"FRODConfig": object, "FRODLayer": layers.FRODLayer, "Linear": layers.Linear}


def _make(make: Any, setting: Setting, folder: str) -> Basis:
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
        sparse_rate=setting.density,
        projection_prng_key=setting.key,
        save_projection=False,
        target_modules={"q_proj"},
    )
    make(owner, config, _ADAPTER)
    shared = {name: value["self_attn.q_proj"] for name, value in vars(owner).items() if name.startswith("FROD_")}
    return Basis(shared)


def _backbone() -> list[nn.Linear]:
    layers = [nn.Linear(_WIDTH, _WIDTH, bias=False) for _ in range(_LAYERS)]
    generator = torch.Generator().manual_seed(0)
    for linear in layers:
        nn.init.normal_(linear.weight, std=_WIDTH**-0.5, generator=generator)
    return layers


@contextlib.contextmanager
def _as_then() -> Iterator[None]:
    """Let the release read its own pickles, and keep what it prints off the page."""
    before = os.environ.get(_OLD_PICKLES)
    os.environ[_OLD_PICKLES] = "1"
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        if before is None:
            del os.environ[_OLD_PICKLES]
        else:
            os.environ[_OLD_PICKLES] = before
