"""FRoD: full-rank fine-tuning with rotational degrees of freedom (Wan et al., AAAI 2026, arXiv 2512.23485).

Every target layer becomes W' = U (diag(sigma) + S) V^T, with U and V from a joint decomposition of the layers in its
group; sigma and the values of the sparse S train. Tests hold this method against PEFT's `FrodConfig`.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, ClassVar

import torch
import torch.distributed as dist
from torch import nn

from frod_bench.adapters.frod import FrodLinear
from frod_bench.errors import RequestError, did_you_mean
from frod_bench.linalg.joint import DEFAULT_PI, MIN_PI
from frod_bench.methods.support.adapted import Adapted
from frod_bench.methods.support.fingerprint import WEIGHT, Sketch, given_sketch, weight_sketch
from frod_bench.methods.support.frod_groups import BASES, SIDES, Coordinates, Grouping, layer_shapes
from frod_bench.methods.support.injection import find_targets, replace_module, require_finite, train_only_head
from frod_bench.methods.support.method import Method
from frod_bench.methods.support.wrappers import named_modules
from frod_bench.methods.support.zero_gradient import report_zero_gradient
from frod_bench.module_names import category
from frod_bench.ops import cost
from frod_bench.ops.diag_sparse import PATTERNS, Pattern, disjoint_pattern, pattern_size
from frod_bench.ops.frod_linear import FACTORED_ERROR, RIGHT_WAYS, WAYS, starts_at_base


@dataclass(frozen=True)
class Frod(Method):
    """Options:

    sparsity: the density s of S, in [0, 1].
    basis=category: the layers of one kind of module share V (the released code).
    basis=global: all layers with the same number of inputs share V (the paper's text).
    basis=peft: the float32 basis and the pattern that PEFT computes, for checkpoints that PEFT loads.
    side=input: V and S act on the inputs of every layer (the paper).
    side=short: a variant of ours. Layers with fewer outputs than inputs are decomposed as W^T, so that their V and S
        are [m, m] and act on the outputs. Not with basis=peft.
    pi: the ridge of Eq. 3.
    way: how a step computes: factored, residual, merged, right_residual, right_merged, or auto for the cheapest. The
        right ways compute without U where m >= n and on the short side; other layers take residual and merged instead.
    pattern: the places of S: random (the paper), or block_diagonal or banded at the same density.
    pattern_slot: runs with one seed and different slots have random patterns without a place in common.
    dropout: acts on the input of the update alone, as in PEFT.
    recompute: form the merged weight again in the backward pass, which saves the memory of one weight per layer.
    accumulate_weight: over the micro-batches of a step, sum the gradient of the merged weight and sample that of S
        once, which saves products and takes the memory of one more weight per layer. Not with several processes.
    """

    name: ClassVar[str] = "frod"
    roles: ClassVar[tuple[str, ...]] = ("diag", "sparse", "head")
    sparsity: float = 0.02
    basis: str = "category"
    side: str = "input"
    pi: float = DEFAULT_PI
    way: str = "auto"
    pattern: str = "random"
    pattern_slot: int | None = None
    dropout: float = 0.0
    recompute: bool = False
    accumulate_weight: bool = False

    def __post_init__(self):
        if not 0 <= self.sparsity <= 1:
            raise RequestError(f"method.sparsity={self.sparsity} is not accepted: the density of S lies in [0, 1].")
        if self.basis not in BASES:
            raise RequestError(f"method.basis={self.basis} is not known. {did_you_mean(self.basis, BASES)}")
        if self.side not in SIDES:
            raise RequestError(f"method.side={self.side} is not known. {did_you_mean(self.side, SIDES)}")
        if self.basis == "peft" and self.side != "input":
            raise RequestError(
                f"method.side={self.side} is not accepted with basis=peft: PEFT's FRoD decomposes W on the input side"
                " only. Type method.basis=category or method.basis=global."
            )
        if not MIN_PI <= self.pi < float("inf"):
            raise RequestError(f"method.pi={self.pi} is not accepted: the ridge is a number of {MIN_PI:g} or more.")
        if self.way not in (*WAYS, "auto"):
            raise RequestError(f"method.way={self.way} is not known. {did_you_mean(self.way, (*WAYS, 'auto'))}")
        if self.pattern not in PATTERNS:
            raise RequestError(f"method.pattern={self.pattern} is not known. {did_you_mean(self.pattern, PATTERNS)}")
        if self.basis == "peft" and self.pattern != "random":
            raise RequestError(f"method.pattern={self.pattern} is not accepted with basis=peft: only random is.")
        if self.pattern_slot is not None and (
            self.pattern_slot < 0 or self.pattern != "random" or self.basis == "peft"
        ):
            raise RequestError(
                f"method.pattern_slot={self.pattern_slot} is not accepted: a whole number of 0 or more, with"
                " pattern=random and a basis other than peft."
            )
        if self.accumulate_weight and self.recompute:
            raise RequestError(
                "method.accumulate_weight=true is not accepted with recompute=true, which keeps no merged weight."
            )
        if not 0 <= self.dropout < 1:
            raise RequestError(f"method.dropout={self.dropout} is not accepted: dropout lies in [0, 1).")
        if self.dropout and self.way not in ("auto", "residual"):
            raise RequestError(f"method.way={self.way} is not accepted with dropout: only residual and auto are.")

    def attach(self, model: nn.Module, targets: list[str], head: list[str], seed: int = 0) -> Adapted:
        """See `Method.attach`. `seed` draws the pattern of S; the values start at zero."""
        layers = dict(find_targets(model, targets, head))
        sharing = self.grouping.layers_sharing_input(layer_shapes(layers))
        coordinates = list(self._coordinates(layers, seed))  # complete before the model changes
        far = {c.name: c.error for c in coordinates if not starts_at_base(c.error, layers[c.name].weight.dtype)}
        if self.way == "factored" and far:
            _refuse_factored(far)
        for c in coordinates:
            adapter = FrodLinear(
                layers[c.name],
                c.U,
                c.sigma,
                c.basis,
                None if self.way == "auto" else self.way,
                dropout=self.dropout,
                recompute=self.recompute,
                layers_sharing_input=sharing[c.name],
                error=c.error,
                right_error=c.right_error,
                short=c.short,
            )
            replace_module(model, c.name, adapter.train(layers[c.name].training))
        head_parameters = train_only_head(model, head)
        adapters = [module for _, module in frod_layers(model)]
        for adapter in adapters:
            adapter.sigma.requires_grad_(True)
            adapter.values.requires_grad_(True)
        roles = {
            "diag": [a.sigma for a in adapters],
            "sparse": [a.values for a in adapters],
            "head": head_parameters,
        }
        facts = _errors(coordinates, dict(frod_layers(model)))
        adapted = Adapted(model, self, roles, targets, head, seed, facts)
        report_zero_gradient(adapted, [name for name, adapter in frod_layers(model) if adapter.has_zero_gradient()])
        return adapted

    @property
    def grouping(self) -> Grouping:
        """Which layers share a basis, and on which side of their weights."""
        return Grouping(self.basis, self.side)

    def _coordinates(self, layers: dict[str, nn.Linear], seed: int) -> Iterator[Coordinates]:
        if self.basis == "peft":
            from frod_bench.methods.support import frod_peft  # PEFT takes seconds to import

            require_finite(layers.items())
            return frod_peft.coordinates(layers, self.sparsity, self.pi, seed)
        return self.grouping.coordinates(layers, self._draw, self.pi, seed)

    def _draw(self, n: int, seed: int, name: str) -> Pattern:
        """Return the pattern of S [n, n] of one category."""
        if self.pattern_slot is None:
            return PATTERNS[self.pattern](n, self.sparsity, seed, name)
        try:
            return disjoint_pattern(n, self.sparsity, seed, name, self.pattern_slot)
        except ValueError as error:
            raise RequestError(
                f"method.pattern_slot={self.pattern_slot} is not accepted at this density: {error} (the first is 0)."
                " Lower method.sparsity."
            ) from error

    @torch.no_grad()
    def merge(self, adapted: Adapted) -> None:
        """See `Method.merge`."""
        for name, adapter in frod_layers(adapted.model):
            adapter.W.copy_(adapter.merged_weight())
            replace_module(adapted.model, name, adapter.base_layer)

    def detach(self, adapted: Adapted) -> None:
        """See `Method.detach`."""
        for name, adapter in frod_layers(adapted.model):
            replace_module(adapted.model, name, adapter.base_layer)

    def trainable_parameters(self, shapes: list[tuple[int, int]]) -> int:
        """Return floor(s k^2) + k summed over the target layers; k = n on the input side."""
        widths = [self.grouping.width(shape) for shape in shapes]
        return sum(pattern_size(k, self.sparsity) + k for k in widths)

    def multiply_adds(self, shapes: list[tuple[int, int]], tokens: int) -> float:
        """See `Method.multiply_adds`: for each layer, the cheaper of the merged and the factored way."""
        added = 0.0
        for m, n in shapes:
            sizes = tokens, m, n, self.grouping.width((m, n)), 0
            added += min(cost.frod_factored_step(*sizes), cost.frod_merged_step(*sizes)) - cost.linear_step(*sizes[:3])
        return added / tokens

    @contextmanager
    def fixed_weights(self, adapted: Adapted, passes: int = 1) -> Iterator[None]:
        """See `Method.fixed_weights`: the merged weight of every layer is cached."""
        adapters = [adapter for _, adapter in frod_layers(adapted.model)]
        several = dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1
        for adapter in adapters:  # gradients are exchanged in the backward pass, which gives none where they are summed
            adapter.cache_merged_weight(passes, self.accumulate_weight and not several)
        try:
            yield
            for adapter in adapters:
                adapter.add_summed_gradient()
        finally:
            for adapter in adapters:
                adapter.cache_merged_weight(0)

    def diagnostics(self, adapted: Adapted) -> dict[str, Any]:
        """Return tan alpha and the other quantities of `UpdateGeometry`, over the layers.

        tan alpha is null while the on-axis part is zero; `cosine` is the largest |cosine| over the layers and
        `spectral_norm` the largest ||S||_2.
        """
        layers = {name: adapter.geometry() for name, adapter in frod_layers(adapted.model)}
        tangents = {name: g.off / g.on if g.on > 0 else None for name, g in layers.items()}
        known = [value for value in tangents.values() if value is not None]
        summary = {"mean": fmean(known), "min": min(known), "max": max(known)} if known else None
        return {
            "tan_alpha": {**summary, "per_layer": tangents} if summary else None,
            "cosine": max((abs(g.cosine) for g in layers.values()), default=0.0),
            "spectral_norm": max((g.spectral_norm for g in layers.values()), default=0.0),
            "turned_deg": {
                "mean": fmean(g.turned_deg.mean().item() for g in layers.values()),
                "max": max(g.turned_deg.max().item() for g in layers.values()),
                "per_layer": {name: g.turned_deg.mean().item() for name, g in layers.items()},
            },
            "stable_rank": {
                "mean": fmean(g.stable_rank for g in layers.values()),
                "per_layer": {name: g.stable_rank for name, g in layers.items()},
            },
        }

    def epoch_columns(self, adapted: Adapted, lr: Mapping[str, float]) -> dict[str, Any]:
        """Return the diagnostics and `lr_ratio`, the learning rate of S over that of Sigma; null without either."""
        known = lr.get("sparse") is not None and lr.get("diag")
        return self.diagnostics(adapted) | {"lr_ratio": lr["sparse"] / lr["diag"] if known else None}

    def epoch_words(self, columns: Mapping[str, Any]) -> list[str]:
        """Return tan alpha over the layers: mean [min, max]."""
        if (tan := columns["tan_alpha"]) is None:
            return []
        return [f"tan alpha {tan['mean']:.3g} [{tan['min']:.3g}, {tan['max']:.3g}]"]

    def fingerprint(self, adapted: Adapted) -> dict[str, Sketch]:
        """See `Method.fingerprint`: V^T [k] and the pattern [1] of every basis, and every W."""
        sketches = {}
        for name, adapter in frod_layers(adapted.model):
            sketches[f"{name}{WEIGHT}"] = weight_sketch(adapter.weight)
            key = f"{category(name)}:{adapter.in_features}" + ":short" * adapter.short
            if f"{key}.V" not in sketches:
                sketches[f"{key}.V"] = given_sketch(adapter.basis.right.sketch)
                sketches[f"{key}.pattern"] = given_sketch(adapter.basis.pattern_sketch())
        return sketches

    def save_peft(self, adapted: Adapted, directory: Path) -> None:
        """See `Method.save_peft` and `frod_peft`. Raises RequestError for side=short."""
        if self.side != "input":
            raise RequestError(
                f"FRoD with side={self.side} has no form in PEFT, which knows the paper's input side alone. Type"
                " --format merged, in Python merge()."
            )
        from frod_bench.methods.support import frod_peft

        frod_peft.save(adapted, dict(frod_layers(adapted.model)), self.sparsity, self.pi, directory)

    @classmethod
    def load_peft(cls, model: nn.Module, directory: Path, config: dict[str, Any]) -> Adapted:
        """See `Method.load_peft`. The method is then basis=peft with PEFT's density, ridge and seed."""
        from frod_bench.methods.support import frod_peft

        options, targets, head, seed = frod_peft.read_options(config)
        adapted = cls(basis="peft", **options).attach(model, targets, head, seed)
        adapted.load_state(frod_peft.read_state(dict(frod_layers(model)), directory))
        return adapted


def _refuse_factored(errors: dict[str, float]) -> None:
    name, error = max(errors.items(), key=lambda item: item[1])
    raise RequestError(
        f"method.way=factored is not accepted: U diag(sigma) V^T of {name} reproduces its weight to a relative error of"
        f" {error:.1g}, and {FACTORED_ERROR:g} is allowed; layers of one basis differ too much in scale, or are nearly"
        " dependent. Type way=auto, which takes residual or merged there; both start exactly at the weight."
    )


def _errors(coordinates: list[Coordinates], adapters: dict[str, FrodLinear]) -> dict[str, Any]:
    """Return the errors of U diag(sigma) V^T, and the largest of the update of layers that may take a right way."""
    errors = {c.name: c.error for c in coordinates}
    right = [c.right_error for c in coordinates if not RIGHT_WAYS.keys().isdisjoint(adapters[c.name].ways)]
    facts = {"max_reconstruction_error": max(errors.values()), "reconstruction_error": errors}
    return facts | ({"max_right_error": max(right)} if right else {})


def frod_layers(model: nn.Module) -> list[tuple[str, FrodLinear]]:
    """Return the FRoD layers of a model with their names."""
    return [(name, module) for name, module in named_modules(model) if isinstance(module, FrodLinear)]


METHOD = Frod
