"""Methods that PEFT has as published: its tuner does the work, we name the roles and the files."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from peft import PeftConfig
from peft.mapping import PEFT_TYPE_TO_TUNER_MAPPING
from peft.tuners.tuners_utils import cast_adapter_dtype
from torch import Tensor, nn

from frod_bench.methods.base import Adapted, Method, write_checkpoint
from frod_bench.methods.injection import find_targets, train_only_head

_ADAPTER = "default"


@dataclass(frozen=True)
class PeftMethod(Method):
    """Base of a method whose adapters are PEFT's; a subclass gives the configuration."""

    roles: ClassVar[tuple[str, ...]] = ("adapter", "head")

    def peft_config(self, targets: list[str], seed: int) -> PeftConfig:
        """Return PEFT's configuration for these target modules, given by full name."""
        raise NotImplementedError

    def attach(self, model: nn.Module, targets: list[str], head: list[str], seed: int = 0) -> Adapted:
        """See `Method.attach`. The adapters' random draw depends on `seed` alone."""
        names = [name for name, _ in find_targets(model, targets, head)]
        config = self.peft_config(names, seed)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            tuner = PEFT_TYPE_TO_TUNER_MAPPING[config.peft_type](model, config, _ADAPTER)
        cast_adapter_dtype(model, _ADAPTER)  # adapters of a half-precision model train in float32, as in PeftModel
        adapter = [p for p in model.parameters() if p.requires_grad]
        head_parameters = train_only_head(model, head)
        for parameter in adapter:
            parameter.requires_grad_(True)
        return Adapted(model, self, {"adapter": adapter, "head": head_parameters}, targets, head, seed, state=tuner)

    def merge(self, adapted: Adapted) -> None:
        """See `Method.merge`."""
        adapted.state.merge_and_unload()

    def detach(self, adapted: Adapted) -> None:
        """See `Method.detach`."""
        adapted.state.unload()

    def save_peft(self, adapted: Adapted, directory: Path) -> None:
        """See `Method.save_peft`; the head goes under PEFT's `modules_to_save`."""
        tensors = {
            f"base_model.model.{name.replace(f'.{_ADAPTER}', '')}": tensor
            for name, tensor in adapted.trainable_state().items()
        }
        write_peft_checkpoint(directory, tensors, adapted.state.peft_config[_ADAPTER], adapted.head)


def write_peft_checkpoint(directory: Path, tensors: dict[str, Tensor], config: PeftConfig, head: list[str]) -> None:
    """Write tensors under PEFT's names with their configuration, for `PeftModel.from_pretrained`."""
    values = config.to_dict() | {"modules_to_save": head or None, "inference_mode": True}
    values["peft_type"] = config.peft_type.value
    write_checkpoint(directory, tensors, {k: sorted(v) if isinstance(v, set) else v for k, v in values.items()})
