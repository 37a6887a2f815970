"""What is timed against what, by name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from peft import FrodConfig, LoraConfig, PeftConfig, VeraConfig, get_peft_model
from torch import Tensor, nn

from frod_bench.bench.shapes import Architecture
from frod_bench.methods import attach
from frod_bench.methods.injection import train_only_head


@dataclass(frozen=True)
class Setting:
    """One measurement: an architecture at a size, on a device; `narrow` divides its widths."""

    architecture: Architecture
    layers: int
    batch: int
    length: int | None
    sparsity: float
    rank: int
    dtype: torch.dtype
    device: torch.device
    narrow: int = 1

    def model(self) -> nn.Module:
        """Return the backbone with its random weights, in training."""
        return self.architecture.build(self.layers, self.dtype, self.device, self.narrow).train()

    def inputs(self) -> dict[str, Tensor]:
        """Return a batch for it."""
        return self.architecture.inputs(self.batch, self.length, self.dtype, self.device)


Adapt = Callable[[nn.Module, Setting], dict[str, Any]]


def _ours(**options: Any) -> Adapt:
    def adapt(model: nn.Module, setting: Setting) -> dict[str, Any]:
        arch = setting.architecture
        own = {"sparsity": setting.sparsity} | options
        return attach(model, "frod", targets=list(arch.targets), head=[arch.head], **own).facts

    return adapt


def _peft(make_config: Callable[[Setting, list[str]], PeftConfig]) -> Adapt:
    def adapt(model: nn.Module, setting: Setting) -> dict[str, Any]:
        config = make_config(setting, list(setting.architecture.targets))
        config.modules_to_save = [setting.architecture.head]
        get_peft_model(model, config)  # changes the model in place
        return {}

    return adapt


def _base(model: nn.Module, setting: Setting) -> dict[str, Any]:
    train_only_head(model, [setting.architecture.head])
    return {}


def _full_ft(model: nn.Module, setting: Setting) -> dict[str, Any]:
    model.requires_grad_(True)
    return {}


# name: adapts a model in place and returns what it says of itself
CONTENDERS: dict[str, Adapt] = {
    "base": _base,
    "lora": _peft(lambda s, t: LoraConfig(r=s.rank, target_modules=t)),
    "dora": _peft(lambda s, t: LoraConfig(r=s.rank, target_modules=t, use_dora=True)),
    "vera": _peft(lambda s, t: VeraConfig(r=256, target_modules=t)),
    "full_ft": _full_ft,
    "peft_frod": _peft(lambda s, t: FrodConfig(target_modules=t, sparse_rate=s.sparsity, progressbar=False)),
    "frod": _ours(),
    "frod_factored": _ours(way="factored"),
    "frod_residual": _ours(way="residual"),
    "frod_merged": _ours(way="merged"),
    "frod_recompute": _ours(recompute=True),
    "frod_global": _ours(basis="global"),
    "frod_block_diagonal": _ours(pattern="block_diagonal"),
    "frod_banded": _ours(pattern="banded"),
}


def build(name: str, setting: Setting) -> nn.Module:
    """Return the backbone adapted by the contender `name`, in training."""
    model = setting.model()
    CONTENDERS[name](model, setting)
    return model.train()


USUAL = ("base", "lora", "dora", "vera", "full_ft", "peft_frod", "frod")
