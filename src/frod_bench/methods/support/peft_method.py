"""Methods that PEFT implements as published: its tuner does the work; we name the roles and write the files."""

import re
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import torch
from peft import PeftConfig, PeftType
from peft.mapping import PEFT_TYPE_TO_TUNER_MAPPING
from peft.tuners.tuners_utils import BaseTuner, BaseTunerLayer, cast_adapter_dtype
from torch import Tensor, nn

from frod_bench.adapters import Adapter
from frod_bench.adapters.offloaded_base import OffloadsBase
from frod_bench.methods.support.adapted import Adapted
from frod_bench.methods.support.checkpoint import write_checkpoint
from frod_bench.methods.support.fingerprint import Sketch, weight_sketch
from frod_bench.methods.support.hooks import copy_attributes, move_hooks
from frod_bench.methods.support.injection import find_head, find_targets, train_only_head
from frod_bench.methods.support.method import Method
from frod_bench.methods.support.wrappers import named_modules, named_modules_with_paths, strip_wrappers, unwrap
from frod_bench.module_names import is_inside, matches

ADAPTER = "default"
PeftLayer = Any  # a module and a BaseTunerLayer; what else it has depends on the tuner, and PEFT does not type it
_ADAPTER = re.compile(rf"\.{ADAPTER}(?=\.|$)")


@dataclass
class PeftState:
    """PEFT's tuner, and what a method keeps to detach or to save."""

    tuner: BaseTuner
    kept: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PeftMethod(Method):
    """Base of a method whose adapters are PEFT's; a subclass provides the configuration."""

    roles: ClassVar[tuple[str, ...]] = ("adapter", "head")
    quantised: ClassVar[bool] = True  # whether the base weights may be

    def peft_config(self, targets: list[str], seed: int) -> PeftConfig:
        """Return PEFT's configuration for these target modules, given by full name."""
        raise NotImplementedError

    def prepare(self, layers: list[tuple[str, PeftLayer]], seed: int) -> None:
        """Change PEFT's new layers, given with their names; what has a gradient afterwards trains."""

    def attach(self, model: nn.Module, targets: list[str], head: list[str], seed: int = 0) -> Adapted:
        """See `Method.attach`. The adapters' random draw depends on `seed` alone."""
        found = {name for name, _ in find_targets(model, targets, head, quantised=self.quantised)}
        inner = unwrap(model)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Specified to not save")  # seeded bases need not be saved
            names = [full for name, full, _ in named_modules_with_paths(inner) if name in found]  # as PEFT sees them
            config: Any = self.peft_config(names, seed)  # each tuner's has other fields
        # PEFT treats full names as suffixes too, and layers in the head may match them
        config.exclude_modules = [n for n, _ in inner.named_modules() if matches(n, names) and n not in names] or None
        with torch.random.fork_rng(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="fan_in_fan_out is set to")  # PEFT sets it for every Conv1D
            torch.manual_seed(seed)
            tuner = PEFT_TYPE_TO_TUNER_MAPPING[config.peft_type](inner, config, ADAPTER)
        for _, layer in tuner_layers(model):
            base = layer.get_base_layer()
            move_hooks(base, layer)
            copy_attributes(base.offloaded if isinstance(base, OffloadsBase) else base, layer)
        cast_adapter_dtype(model, ADAPTER)  # adapters of a half-precision model train in float32, as in PeftModel
        self.prepare(tuner_layers(model), seed)
        adapter = [p for p in model.parameters() if p.requires_grad]
        head_parameters = train_only_head(model, head)
        for parameter in adapter:
            parameter.requires_grad_(True)
        roles = {"adapter": adapter, "head": head_parameters}
        return Adapted(model, self, roles, targets, head, seed, state=PeftState(tuner))

    def merge(self, adapted: Adapted) -> None:
        """See `Method.merge`."""
        _move_hooks_back(adapted.model)
        adapted.state.tuner.merge_and_unload()

    def detach(self, adapted: Adapted) -> None:
        """See `Method.detach`."""
        _move_hooks_back(adapted.model)
        adapted.state.tuner.unload()

    def fingerprint(self, adapted: Adapted) -> dict[str, Sketch]:
        """See `Method.fingerprint`: the frozen weight of every target."""
        layers = tuner_layers(adapted.model)
        return {name: weight_sketch(layer.get_base_layer().weight) for name, layer in layers}

    def save_peft(self, adapted: Adapted, directory: Path) -> None:
        """See `Method.save_peft`."""
        config = adapted.state.tuner.peft_config[ADAPTER]
        write_peft_checkpoint(directory, adapted, peft_names(adapter_state(adapted)), config)


def tuner_layers(model: nn.Module) -> list[tuple[str, PeftLayer]]:
    """Return PEFT's layers of a model with their names."""
    return [(name, module) for name, module in named_modules(model) if isinstance(module, BaseTunerLayer)]


def _move_hooks_back(model: nn.Module) -> None:
    for _, layer in tuner_layers(model):
        move_hooks(layer, layer.get_base_layer())


def peft_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return trainable values under the names that PEFT uses in a file."""
    return {f"base_model.model.{_ADAPTER.sub('', name)}": tensor for name, tensor in state.items()}


def adapter_state(adapted: Adapted) -> dict[str, Tensor]:
    """Return the trainable values that belong to adapters, without the head."""
    adapters = _adapters(adapted)
    return {name: tensor for name, tensor in adapted.trainable_state().items() if is_inside(name, adapters)}


def write_peft_checkpoint(directory: Path, adapted: Adapted, tensors: dict[str, Tensor], config: PeftConfig) -> None:
    """Write the adapters' `tensors`, under PEFT's names, and their configuration, for `PeftModel.from_pretrained`.

    Everything else that training changes is saved under PEFT's `modules_to_save`.
    """
    modules = _changed_modules(adapted)
    for name, module in modules.items():
        state = {f"{name}.{strip_wrappers(key)}": value for key, value in module.state_dict().items()}
        tensors |= {f"base_model.model.{key}": value.clone() for key, value in state.items()}  # no shared memory
    values = config.to_dict() | {"modules_to_save": sorted(modules) or None, "inference_mode": True}
    values["peft_type"] = PeftType(config.peft_type).value
    for key in ("target_modules", "exclude_modules", *(key for key in values if isinstance(values[key], set))):
        if values.get(key) is not None:
            values[key] = sorted(strip_wrappers(name) for name in values[key])
    write_checkpoint(directory, tensors, values)


def _adapters(adapted: Adapted) -> list[str]:
    """Return the names of the modules that are adapters."""
    kinds = (BaseTunerLayer, Adapter)
    return [name for name, module in named_modules(adapted.model) if isinstance(module, kinds)]


def _changed_modules(adapted: Adapted) -> dict[str, nn.Module]:
    """Return the modules outside adapters that training changes.

    These are the head, a module that shares a parameter with it, as an embedding may, and normalisations with running
    statistics.
    """
    changing = {id(tensor) for tensor in adapted.changing().values()}

    def changes(module: nn.Module, recurse: bool) -> bool:
        return any(id(t) in changing for t in (*module.parameters(recurse), *module.buffers(recurse)))

    head = find_head(adapted.model, adapted.head) if adapted.head else []
    modules = {name: module for name, module in head if changes(module, recurse=True)}
    apart = [*modules, *_adapters(adapted)]
    return modules | {
        name: module
        for name, module in named_modules(adapted.model)
        if not is_inside(name, apart) and changes(module, recurse=False)
    }
