"""GOAT: a mixture of LoRA experts started from segments of the singular spectrum, with a scale from theory
(Fan et al. 2025, arXiv 2502.16894).
"""

from dataclasses import dataclass
from math import sqrt
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from frod_bench.adapters import base_weight, set_base_weight
from frod_bench.adapters.moe_lora import MoeLoraLinear, forget_routing, load_balance
from frod_bench.errors import RequestError
from frod_bench.linalg.svd import leading_triplets, stored_singular_factors
from frod_bench.methods.support.adapted import Adapted
from frod_bench.methods.support.fingerprint import WEIGHT, Sketch, computed_sketch, weight_sketch
from frod_bench.methods.support.injection import find_targets, replace_module, require_finite, train_only_head
from frod_bench.methods.support.method import Method
from frod_bench.methods.support.options import check_choice, check_dropout, check_positive, check_whole
from frod_bench.methods.support.wrappers import named_modules
from frod_bench.methods.support.zero_gradient import all_zero, report_zero_gradient

SCALINGS = ("theory", "alpha")
_NO_GRADIENT = (
    "GOAT's load-balance term has no gradient, because the forward pass ran without one. Reentrant gradient"
    ' checkpointing does that: enable it with {"use_reentrant": False}, or attach with balance=0.'
)


class GoatState(NamedTuple):
    """Every W on the host, by the layer's name, and the hook with which a forward pass of the model begins."""

    weights: dict[str, Tensor]
    hook: RemovableHandle


@dataclass(frozen=True)
class Goat(Method):
    """`experts` experts of rank d = rank / experts each; every token is routed to `top_k` of them.

    Expert i starts from the first d triplets of the i-th part of the spectrum: s B_i A_i is their sum divided by `rho`.
    (s / E) sum_i B_i A_i, which the experts add on average at the start, is subtracted from W.
    scaling=theory: s = sqrt(3 n eta / d), from the paper. scaling=alpha: s = alpha / d, from the released code.
    `balance` weights the load-balance term of every layer, over all tokens of a step, padding included; a layer that
    blocks share, as in ALBERT, has one term over the tokens of all of them. One dropout mask serves all experts of a
    layer. The adapter cannot be merged, because the routing depends on the input.
    """

    name: ClassVar[str] = "goat"
    roles: ClassVar[tuple[str, ...]] = ("adapter", "head")
    start_error: ClassVar[float] = 0.1  # equal to the base only on average over the routing
    merges: ClassVar[bool] = False
    rank: int = 8
    experts: int = 8
    top_k: int = 2
    rho: float = 10.0
    scaling: str = "theory"
    eta: float = 1.0
    alpha: float = 16.0
    balance: float = 1e-3
    dropout: float = 0.0

    def __post_init__(self):
        check_whole("rank", self.rank, "the rank")
        check_whole("experts", self.experts, "the number of experts")
        if self.rank % self.experts:
            raise RequestError(
                f"method.rank={self.rank} is not accepted: {self.experts} experts need a multiple of {self.experts}."
            )
        if not 1 <= self.top_k <= self.experts:
            raise RequestError(
                f"method.top_k={self.top_k} is not accepted: a whole number from 1 to {self.experts}, the experts."
            )
        for name in ("rho", "eta", "alpha"):
            check_positive(name, getattr(self, name))
        if not 0 <= self.balance < float("inf"):
            raise RequestError(f"method.balance={self.balance} is not accepted: a number of 0 or more.")
        check_choice("scaling", self.scaling, SCALINGS)
        check_dropout(self.dropout)

    def scale(self, n: int) -> float:
        """Return s of a layer with n inputs."""
        size = self.rank // self.experts
        return sqrt(3 * n * self.eta / size) if self.scaling == "theory" else self.alpha / size

    def attach(self, model: nn.Module, targets: list[str], head: list[str], seed: int = 0) -> Adapted:
        """See `Method.attach`. `seed` draws the routers. Raises RequestError for a rank above min(m, n)."""
        layers = dict(find_targets(model, targets, head))
        require_finite(layers.items())
        for name, layer in layers.items():
            if self.rank > min(layer.weight.shape):
                shape = list(base_weight(layer).shape)
                raise RequestError(f"method.rank={self.rank} is not accepted: {name} is {shape} and has no such rank.")
        weights = {name: base_weight(layer).detach() for name, layer in layers.items()}
        size = self.rank // self.experts
        triplets = [leading_triplets(w.shape, self.experts, size) for w in weights.values()]
        parts = stored_singular_factors(list(weights.values()), triplets)
        generator = torch.Generator().manual_seed(seed)
        for (name, layer), (B, A) in zip(layers.items(), parts, strict=True):
            n = A.shape[1]
            router = torch.empty(self.experts, n).uniform_(-(n**-0.5), n**-0.5, generator=generator)  # of nn.Linear
            start = (self.scale(n) * self.rho) ** -0.5
            adapter = MoeLoraLinear(layer, start * A, start * B, router, self.scale(n), self.top_k, self.dropout)
            set_base_weight(layer, weights[name].float() - B @ A / (self.rho * self.experts))
            replace_module(model, name, adapter.train(layer.training))
        head_parameters = train_only_head(model, head)
        adapters = [adapter for _, adapter in moe_layers(model)]
        adapter_parameters = [p for a in adapters for p in (a.A, a.B, a.router)]
        for parameter in adapter_parameters:
            parameter.requires_grad_(True)
        roles = {"adapter": adapter_parameters, "head": head_parameters}
        kept = {name: weight.cpu() for name, weight in weights.items()}
        state = GoatState(kept, model.register_forward_pre_hook(forget_routing))
        adapted = Adapted(model, self, roles, targets, head, seed, state=state)
        report_zero_gradient(adapted, [name for name, adapter in moe_layers(model) if all_zero(adapter.A, adapter.B)])
        return adapted

    def merge(self, adapted: Adapted) -> None:
        """Raise RequestError: no linear layer computes the same function."""
        raise RequestError("GOAT cannot be merged, because its routing depends on the input. Keep the adapter.")

    def detach(self, adapted: Adapted) -> None:
        """See `Method.detach`; W is kept in host memory, one extra copy of every adapted weight."""
        adapted.state.hook.remove()
        for name, adapter in moe_layers(adapted.model):
            set_base_weight(adapter.base_layer, adapted.state.weights[name].to(adapter.weight.device))
            replace_module(adapted.model, name, adapter.base_layer)

    def trainable_parameters(self, shapes: list[tuple[int, int]]) -> int:
        """Return r (m + n) + E n summed over the target layers."""
        return sum(self.rank * (m + n) + self.experts * n for m, n in shapes)

    @property
    def couples_rows(self) -> bool:
        """See `Method.couples_rows`: the term is a product of two means."""
        return self.balance > 0

    def batch_statistics(self, adapted: Adapted) -> Tensor | None:
        """See `Method.batch_statistics`: how often each expert of each layer was chosen, [layers, E]."""
        if not self.couples_rows:
            return None
        adapters = [adapter for _, adapter in moe_layers(adapted.model)]
        return torch.stack([a.routing.hits if a.routing else a.router.new_zeros(self.experts) for a in adapters])

    def auxiliary_loss(self, adapted: Adapted, statistics: Tensor | None = None) -> Tensor | float:
        """See `Method.auxiliary_loss`: `balance` times the load-balance terms of all layers.

        Raises RequestError if the term has no gradient, as after reentrant checkpointing.
        """
        statistics = self.batch_statistics(adapted) if statistics is None else statistics
        adapters = [adapter for _, adapter in moe_layers(adapted.model)]
        routings = [adapter.pop_routing() for adapter in adapters]
        if statistics is None:
            return 0.0
        terms: list[Tensor] = []
        for adapter, routing, hits in zip(adapters, routings, statistics, strict=True):
            if routing is None:
                continue
            if torch.is_grad_enabled() and adapter.router.requires_grad and not routing.share.requires_grad:
                raise RequestError(_NO_GRADIENT)
            terms.append(load_balance(hits, routing.share))
        return self.balance * sum(terms) if terms else 0.0

    def fingerprint(self, adapted: Adapted) -> dict[str, Sketch]:
        """See `Method.fingerprint`: every W, and W_res, which is not saved but computed again."""
        sketches = {name: computed_sketch(adapter.base_layer.weight) for name, adapter in moe_layers(adapted.model)}
        return sketches | {f"{name}{WEIGHT}": weight_sketch(weight) for name, weight in adapted.state.weights.items()}


def moe_layers(model: nn.Module) -> list[tuple[str, MoeLoraLinear]]:
    """Return the GOAT layers of a model with their names."""
    return [(name, module) for name, module in named_modules(model) if isinstance(module, MoeLoraLinear)]


METHOD = Goat
