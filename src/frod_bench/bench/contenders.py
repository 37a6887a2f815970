"""The contenders of the benchmarks, by name."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import torch
from peft import FrodConfig, LoraConfig, PeftConfig, RandLoraConfig, VeraConfig, get_peft_model
from torch import Tensor, nn

from frod_bench.bench.names import FROD_VARIANTS
from frod_bench.bench.shapes import TimedBackbone
from frod_bench.methods import attach, make_method, method_names
from frod_bench.methods.support.adapted import Adapted
from frod_bench.methods.support.injection import train_only_head


@dataclass(frozen=True)
class Setting:
    """One measurement: an architecture at a size, on a device; `narrow` divides its widths."""

    architecture: TimedBackbone
    layers: int
    batch: int
    length: int | None
    sparsity: float
    rank: int
    dtype: torch.dtype
    device: torch.device
    narrow: int = 1

    def model(self) -> nn.Module:
        """Return the backbone with random weights, in training mode."""
        return self.architecture.build(self.layers, self.dtype, self.device, self.narrow).train()

    def inputs(self) -> dict[str, Tensor]:
        """Return a batch for that model."""
        return self.architecture.inputs(self.batch, self.length, self.dtype, self.device)


_VERA_RANK = 256  # VeRA trains vectors, so --rank, which sets the rank of matrices, does not apply

Adapt = Callable[[nn.Module, Setting], Adapted | None]


def _ours(method: str, **options: Any) -> Adapt:
    def adapt(model: nn.Module, setting: Setting) -> Adapted:
        arch, taken = setting.architecture, {option.name for option in fields(make_method(method))}
        own: dict[str, Any] = {"sparsity": setting.sparsity} if "sparsity" in taken else {}
        own |= {"rank": setting.rank} if "rank" in taken else {}
        return attach(model, method, targets=list(arch.targets), head=[arch.head], **own | options)

    return adapt


def _peft(make_config: Callable[[Setting, list[str]], PeftConfig]) -> Adapt:
    def adapt(model: nn.Module, setting: Setting) -> None:
        config = make_config(setting, list(setting.architecture.targets))
        vars(config)["modules_to_save"] = [setting.architecture.head]
        get_peft_model(model, config)  # changes the model in place

    return adapt


def _base(model: nn.Module, setting: Setting) -> None:
    train_only_head(model, [setting.architecture.head])


# each adapts a model in place; our methods also return the `Adapted`
CONTENDERS: dict[str, Adapt] = {
    "base": _base,
    **{method: _ours(method) for method in method_names()},
    "vera": _ours("vera", rank=_VERA_RANK),
    **{name: _ours("frod", **options) for name, options in FROD_VARIANTS.items()},
    "peft_frod": _peft(lambda s, t: FrodConfig(target_modules=t, sparse_rate=s.sparsity, progressbar=False)),
    "peft_lora": _peft(lambda s, t: LoraConfig(r=s.rank, target_modules=t)),
    "peft_pissa": _peft(lambda s, t: LoraConfig(r=s.rank, init_lora_weights="pissa", target_modules=t)),
    "peft_dora": _peft(lambda s, t: LoraConfig(r=s.rank, target_modules=t, use_dora=True)),
    "peft_vera": _peft(lambda s, t: VeraConfig(r=_VERA_RANK, target_modules=t)),
    "peft_randlora": _peft(lambda s, t: RandLoraConfig(r=s.rank, target_modules=t)),
}


def adapt(name: str, setting: Setting) -> tuple[nn.Module, Adapted | None]:
    """Return the backbone adapted by the contender `name`, in training mode, and the `Adapted` of our methods."""
    model = setting.model()
    adapted = CONTENDERS[name](model, setting)
    return model.train(), adapted


def build(name: str, setting: Setting) -> nn.Module:
    """Return the backbone adapted by the contender `name`, in training mode."""
    return adapt(name, setting)[0]
