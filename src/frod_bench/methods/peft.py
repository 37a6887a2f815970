"""Any tuner of PEFT by its type, with PEFT's own settings and defaults."""

import warnings
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import torch
from peft import PeftConfig
from torch import nn

from frod_bench.errors import RequestError
from frod_bench.methods.support.adapted import Adapted
from frod_bench.methods.support.fingerprint import Sketch, computed_sketch
from frod_bench.methods.support.hooks import move_hooks
from frod_bench.methods.support.injection import find_targets
from frod_bench.methods.support.peft_method import ADAPTER, PeftMethod, tuner_layers
from frod_bench.methods.support.tuner_options import SEEDS, accepted_settings, check_settings, config_class
from frod_bench.module_names import matches


@dataclass(frozen=True)
class Tuner(PeftMethod):
    """The tuner `type` of PEFT, in any case, with the settings `config` of its configuration class.

    Settings that are not given have PEFT's defaults. Some tuners do not start at the base model, as their papers have
    it. Layers, head and random draws are chosen as for every other method.
    """

    name: ClassVar[str] = "peft"
    low_rank_update: ClassVar[bool] = True
    quantised: ClassVar[bool] = False

    type: str = "LORA"
    config: dict = field(default_factory=dict, hash=False)  # equal methods have equal types, which is enough of a hash

    def __post_init__(self):
        object.__setattr__(self, "type", self.type.upper())
        check_settings(self.type, self.config)
        self.peft_config([], seed=0)  # PEFT's own checks of the values

    def peft_config(self, targets: list[str], seed: int) -> PeftConfig:
        """See `PeftMethod.peft_config`. Raises RequestError for values that PEFT refuses."""
        made = config_class(self.type)
        try:
            config = made(**self.config)
        except (TypeError, ValueError) as error:
            raise self._refused(error) from error
        config.target_modules = set(targets)  # not before its own checks, which know nothing of full names
        values = dict.fromkeys(SEEDS, seed) | {"save_projection": False, "progressbar": False}
        for name, value in values.items():
            if hasattr(config, name):
                setattr(config, name, value)
        return config

    def attach(self, model: nn.Module, targets: list[str], head: list[str], seed: int = 0) -> Adapted:
        """See `PeftMethod.attach`. Raises RequestError for a model that PEFT refuses."""
        warnings.filterwarnings("ignore", message="Sparse invariant checks")  # torch's, about SHiRA's masks
        names = [name for name, _ in find_targets(model, targets, head)]
        self._require_modules(names)
        try:
            adapted = super().attach(model, targets, head, seed)
        except (TypeError, ValueError, NotImplementedError, ImportError) as error:
            raise self._refused(error) from error
        config = adapted.state.tuner.peft_config[ADAPTER]
        for setting in self._module_settings():  # PEFT reads a file only if these are among the targets by full name
            setattr(config, setting, {name for name in names if matches(name, getattr(config, setting))})
        return adapted

    def _require_modules(self, names: list[str]) -> None:
        """Raise RequestError for a module in a setting that is no target; PEFT would leave it out in silence."""
        for setting in self._module_settings():
            for word in self.config.get(setting) or ():
                if not any(matches(name, [word]) for name in names):
                    raise RequestError(f"method.config.{setting}={word} is not accepted: it is none of the targets.")

    def _module_settings(self) -> list[str]:
        """Return the settings of the tuner that are lists of module names."""
        return [name for name in accepted_settings(config_class(self.type)) if name.endswith("_modules")]

    def _refused(self, error: Exception) -> RequestError:
        return RequestError(f"PEFT refuses {self.type} with these settings: {' '.join(str(error).split())}")

    def trainable_parameters(self, shapes: list[tuple[int, int]]) -> int:
        """See `Method.trainable_parameters`: counted on layers of these shapes, without memory where PEFT can.

        Settings that name modules, such as rank_pattern, do not count: shapes have no names. Raises RequestError for
        shapes that PEFT refuses.
        """
        try:
            with torch.device("meta"):
                return self._count(shapes)
        except RuntimeError:  # it looks at values, so count what each layer adds and what all of them share
            one, two = ({shape: self._count([shape] * n) for shape in set(shapes)} for n in (1, 2))
            shared = max((2 * one[shape] - two[shape] for shape in one), default=0)
            return shared + sum(two[shape] - one[shape] for shape in shapes)

    def _count(self, shapes: list[tuple[int, int]]) -> int:
        layers = nn.Sequential(*(nn.Linear(n, m) for m, n in shapes))
        unnamed = replace(self, config=self.config | {name: [] for name in self._module_settings()})
        places = [str(place) for place in range(len(shapes))]
        try:
            return super(Tuner, unnamed).attach(layers, places, []).count()["adapter"]
        except (TypeError, ValueError) as error:
            raise self._refused(error) from error

    def merge(self, adapted: Adapted) -> None:
        """See `Method.merge`. Raises RequestError for a tuner that PEFT cannot merge; the adapter then stays."""
        try:
            super().merge(adapted)
        except NotImplementedError:
            for _, layer in tuner_layers(adapted.model):
                move_hooks(layer.get_base_layer(), layer)
            raise RequestError(f"PEFT cannot merge {self.type}. Type --format peft to keep it as an adapter.") from None

    def fingerprint(self, adapted: Adapted) -> dict[str, Sketch]:
        """See `Method.fingerprint`: also what was drawn and is not saved, as the bases of VeRA."""
        tuner: Any = adapted.state.tuner
        drawn = {
            name: buffers[ADAPTER]
            for name, buffers in tuner.named_children()
            if name != "model" and ADAPTER in getattr(buffers, "_buffers", {})
        }
        sketches = {name: computed_sketch(tensor) for name, tensor in drawn.items() if tensor.is_floating_point()}
        return super().fingerprint(adapted) | sketches


METHOD = Tuner
