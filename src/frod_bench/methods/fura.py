"""FuRA: full-rank adaptation through the small cores of a block tensor-train of each weight (released code,
github.com/olokevin/FuRA-NIPS: `output_one_block`, full rank, `train_position=small`, S kept trainable).
"""

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from frod_bench.adapters import base_weight, set_base_weight
from frod_bench.adapters.fura import FrozenCore, FuraLinear
from frod_bench.errors import RequestError
from frod_bench.linalg.block_svd import block_count, block_factors
from frod_bench.methods.support.adapted import Adapted
from frod_bench.methods.support.fingerprint import WEIGHT, Sketch, computed_sketch, weight_sketch
from frod_bench.methods.support.injection import find_targets, replace_module, require_finite, train_only_head
from frod_bench.methods.support.method import Method
from frod_bench.methods.support.wrappers import named_modules

_DEPARTS = "attention's output projection is cut into blocks like any other layer; the authors' script cuts it by heads"


@dataclass(frozen=True)
class Fura(Method):
    """Trains the singular values and the smaller core of every layer, and its bias unless `bias` is false.

    The large core replaces the weight; W itself is kept in host memory for `detach`. Every layer is cut into blocks by
    `linalg.block_svd.block_count`. The released script cuts the output projection of attention by heads instead; the
    record of a run states this difference.
    """

    name: ClassVar[str] = "fura"
    roles: ClassVar[tuple[str, ...]] = ("adapter", "head")
    start_error: ClassVar[float] = 1e-5  # the factors are W to rounding
    draws: ClassVar[bool] = False
    hold: ClassVar[type[FrozenCore] | None] = None  # how the frozen core is stored; dense by default
    bias: bool = True

    def attach(self, model: nn.Module, targets: list[str], head: list[str], seed: int = 0) -> Adapted:
        """See `Method.attach`. Nothing is drawn, so `seed` is not used."""
        layers = find_targets(model, targets, head)
        require_finite(layers)
        for name, layer in layers:
            m, n = base_weight(layer).shape
            if self.hold is not None and m <= n // block_count(n):
                raise RequestError(f"The target {name} of shape {[m, n]} has no large left core to quantise.")
        for name, layer in layers:
            adapter = FuraLinear(layer, block_factors(base_weight(layer)), self.bias, self.hold)
            replace_module(model, name, adapter.train(layer.training))
        adapter_parameters = [p for _, a in fura_layers(model) for p in a.parameters() if p.requires_grad]
        head_parameters = train_only_head(model, head)
        for parameter in adapter_parameters:
            parameter.requires_grad_(True)
        roles = {"adapter": adapter_parameters, "head": head_parameters}
        return Adapted(model, self, roles, targets, head, seed, facts={"departs": _DEPARTS})

    def merge(self, adapted: Adapted) -> None:
        """See `Method.merge`."""
        for name, adapter in fura_layers(adapted.model):
            base = adapter.restored_base()
            set_base_weight(base, adapter.merged_weight())
            if adapter.bias is not None:
                base.bias.data = adapter.bias.detach().to(base.bias.dtype)
            replace_module(adapted.model, name, base)

    def detach(self, adapted: Adapted) -> None:
        """See `Method.detach`."""
        for name, adapter in fura_layers(adapted.model):
            replace_module(adapted.model, name, adapter.restored_base())

    def fingerprint(self, adapted: Adapted) -> dict[str, Sketch]:
        """See `Method.fingerprint`: every W, and its frozen core, whose singular vectors have a free sign."""
        layers = fura_layers(adapted.model)
        sketches = {name: computed_sketch(layer.frozen_core()) for name, layer in layers}
        return sketches | {f"{name}{WEIGHT}": weight_sketch(layer.offloaded.weight) for name, layer in layers}

    def trainable_parameters(self, shapes: list[tuple[int, int]]) -> int:
        """Return q k (min(b, m) + 1), and m for the bias of each layer, summed over the target layers."""
        return sum(_cores(m, n) + (m if self.bias else 0) for m, n in shapes)


def _cores(m: int, n: int) -> int:
    blocks = block_count(n)
    return blocks * min(m, n // blocks) * (min(m, n // blocks) + 1)


def fura_layers(model: nn.Module) -> list[tuple[str, FuraLinear]]:
    """Return the FuRA layers of a model with their names."""
    return [(name, module) for name, module in named_modules(model) if isinstance(module, FuraLinear)]


METHOD = Fura
