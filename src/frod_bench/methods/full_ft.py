"""Full fine-tuning: every parameter of the model trains."""

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from frod_bench.errors import RequestError
from frod_bench.methods.support.adapted import Adapted
from frod_bench.methods.support.injection import require_loaded, require_plain, train_only_head
from frod_bench.methods.support.method import Method
from frod_bench.ops import cost


@dataclass(frozen=True)
class FullFineTuning(Method):
    """Train all parameters; `backbone` and `head` are two roles so that a recipe can tell them apart."""

    name: ClassVar[str] = "full_ft"
    roles: ClassVar[tuple[str, ...]] = ("backbone", "head")
    draws: ClassVar[bool] = False

    def attach(self, model: nn.Module, targets: list[str], head: list[str], seed: int = 0) -> Adapted:
        """See `Method.attach`; nothing is frozen, so `targets` and `seed` are not used."""
        require_plain(model)
        require_loaded(model, [("", model)])
        head_parameters = train_only_head(model, head)
        in_head = {id(p) for p in head_parameters}
        model.requires_grad_(True)
        backbone = [p for p in model.parameters() if id(p) not in in_head]
        return Adapted(model, self, {"backbone": backbone, "head": head_parameters}, targets, head, seed)

    def merge(self, adapted: Adapted) -> None:
        """Do nothing: the layers are plain already."""

    def detach(self, adapted: Adapted) -> None:
        """Raise RequestError: the weights were trained in place and no copy is kept."""
        raise RequestError("Full fine-tuning changes the weights themselves; build the model again to get them back.")

    def trainable_parameters(self, shapes: list[tuple[int, int]]) -> int:
        """Return the weights of the target layers; the rest of the backbone trains as well."""
        return sum(m * n for m, n in shapes)

    def multiply_adds(self, shapes: list[tuple[int, int]], tokens: int) -> float:
        """See `Method.multiply_adds`: the gradient of every weight."""
        return sum(cost.weight_gradient(1, m, n) for m, n in shapes)


METHOD = FullFineTuning
