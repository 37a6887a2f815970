"""Methods that PEFT has as published: its tuner does the work, we name the roles and the files."""

import re
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import torch
from peft import PeftConfig
from peft.mapping import PEFT_TYPE_TO_TUNER_MAPPING
from peft.tuners.tuners_utils import BaseTuner, BaseTunerLayer, cast_adapter_dtype
from torch import Tensor, nn

from frod_bench.methods.base import Adapted, Method, sketch
from frod_bench.methods.checkpoint import write_checkpoint
from frod_bench.methods.injection import find_targets, matches, train_only_head

ADAPTER = "default"
_ADAPTER = re.compile(rf"\.{ADAPTER}(?=\.|$)")


@dataclass
class PeftState:
    """PEFT's tuner, and what a method keeps beside it to undo or to save its attachment."""

    tuner: BaseTuner
    kept: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PeftMethod(Method):
    """Base of a method whose adapters are PEFT's; a subclass gives the configuration."""

    roles: ClassVar[tuple[str, ...]] = ("adapter", "head")
    quantised: ClassVar[bool] = True  # whether the base may be

    def peft_config(self, targets: list[str], seed: int) -> PeftConfig:
        """Return PEFT's configuration for these target modules, given by full name."""
        raise NotImplementedError

    def attach(self, model: nn.Module, targets: list[str], head: list[str], seed: int = 0) -> Adapted:
        """See `Method.attach`. The adapters' random draw depends on `seed` alone."""
        names = [name for name, _ in find_targets(model, targets, head, quantised=self.quantised)]
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Specified to not save")  # what the seed gives is in no file
            config = self.peft_config(names, seed)
        # PEFT takes full names for suffixes too, which others, in the head, may have
        config.exclude_modules = [n for n, _ in model.named_modules() if matches(n, names) and n not in names] or None
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            tuner = PEFT_TYPE_TO_TUNER_MAPPING[config.peft_type](model, config, ADAPTER)
        cast_adapter_dtype(model, ADAPTER)  # adapters of a half-precision model train in float32, as in PeftModel
        adapter = [p for p in model.parameters() if p.requires_grad]
        head_parameters = train_only_head(model, head)
        for parameter in adapter:
            parameter.requires_grad_(True)
        roles = {"adapter": adapter, "head": head_parameters}
        return Adapted(model, self, roles, targets, head, seed, state=PeftState(tuner))

    def merge(self, adapted: Adapted) -> None:
        """See `Method.merge`."""
        adapted.state.tuner.merge_and_unload()

    def detach(self, adapted: Adapted) -> None:
        """See `Method.detach`."""
        adapted.state.tuner.unload()

    def fingerprint(self, adapted: Adapted) -> dict[str, Tensor]:
        """See `Method.fingerprint`: a sketch [1] of the frozen weight of every target."""
        layers = tuner_layers(adapted.model)
        return {name: sketch(layer.get_base_layer().weight) for name, layer in layers}

    def save_peft(self, adapted: Adapted, directory: Path) -> None:
        """See `Method.save_peft`; the head goes under PEFT's `modules_to_save`."""
        tensors = peft_names(adapted.trainable_state())
        write_peft_checkpoint(directory, tensors, adapted.state.tuner.peft_config[ADAPTER], adapted.head)


def tuner_layers(model: nn.Module) -> list[tuple[str, BaseTunerLayer]]:
    """Return PEFT's layers of a model with their names."""
    return [(name, module) for name, module in model.named_modules() if isinstance(module, BaseTunerLayer)]


def peft_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return trainable values under the names that PEFT gives them in a file."""
    return {f"base_model.model.{_ADAPTER.sub('', name)}": tensor for name, tensor in state.items()}


def write_peft_checkpoint(directory: Path, tensors: dict[str, Tensor], config: PeftConfig, head: list[str]) -> None:
    """Write tensors under PEFT's names with their configuration, for `PeftModel.from_pretrained`."""
    values = config.to_dict() | {"modules_to_save": head or None, "inference_mode": True}
    values["peft_type"] = config.peft_type.value
    write_checkpoint(directory, tensors, {k: sorted(v) if isinstance(v, set) else v for k, v in values.items()})
