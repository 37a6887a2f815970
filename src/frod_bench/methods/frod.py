"""FRoD: full-rank fine-tuning with rotational degrees of freedom (Wan et al., AAAI 2026, arXiv 2512.23485).

Every target layer becomes W' = U (diag(sigma) + S) V^T with U and V from a joint decomposition of all layers
of its group; sigma and the values of the sparse S train. PEFT's `FrodConfig` is the oracle of this file.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from frod_bench.adapters.frod import FrodBasis, FrodLinear
from frod_bench.errors import RequestError, nearest
from frod_bench.linalg.cache import cached, entry_key
from frod_bench.linalg.joint import DEFAULT_PI, joint_decomposition
from frod_bench.methods import frod_peft
from frod_bench.methods.base import Adapted, Method
from frod_bench.methods.injection import find_targets, replace_module, train_only_head
from frod_bench.ops.frod_linear import WAYS
from frod_bench.ops.rotation import pattern_size, random_pattern

BASES = ("category", "global", "peft")


@dataclass(frozen=True)
class Frod(Method):
    """`sparsity` is the density s of S; `basis` says which layers share V; `way` forces how a step computes.

    basis=category: the layers of one kind of module share a basis (the released code).
    basis=global: all layers with the same number of inputs share one (the paper's text).
    basis=peft: the float32 basis and the pattern that PEFT computes, for checkpoints that PEFT loads.
    """

    name: ClassVar[str] = "frod"
    roles: ClassVar[tuple[str, ...]] = ("diag", "sparse", "head")
    sparsity: float = 0.02
    basis: str = "category"
    pi: float = DEFAULT_PI
    way: str = "auto"

    def __post_init__(self):
        if not 0 <= self.sparsity <= 1:
            raise RequestError(f"method.sparsity={self.sparsity} is not accepted: the density of S lies in [0, 1].")
        if self.basis not in BASES:
            raise RequestError(f"method.basis={self.basis} is not known. {nearest(self.basis, BASES)}")
        if not 0 < self.pi < float("inf"):
            raise RequestError(f"method.pi={self.pi} is not accepted: the ridge is a number above 0.")
        if self.way not in (*WAYS, "auto"):
            raise RequestError(f"method.way={self.way} is not known. {nearest(self.way, (*WAYS, 'auto'))}")

    def attach(self, model: nn.Module, targets: list[str], head: list[str], seed: int = 0) -> Adapted:
        """See `Method.attach`. `seed` draws the pattern of S; the values start at zero."""
        layers = dict(find_targets(model, targets, head))
        for name, layer in layers.items():
            if not torch.isfinite(layer.weight).all():
                raise RequestError(f"The weight of {name} holds NaN or infinity and cannot be decomposed.")
        error = 0.0
        for name, U, sigma, basis in self._coordinates(layers, seed):
            adapter = FrodLinear(layers[name], U, sigma, basis, None if self.way == "auto" else self.way)
            replace_module(model, name, adapter.train(layers[name].training))
            error = max(error, _reconstruction_error(adapter))
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
        return Adapted(model, self, roles, targets, head, seed, facts={"max_reconstruction_error": error})

    def _groups(self, layers: dict[str, nn.Linear]) -> dict[str, list[str]]:
        """Return the names of the layers that share a basis, by the name of the group."""
        groups: dict[str, list[str]] = {}
        for name, layer in layers.items():
            n = layer.in_features
            key = f"{category(name)}:{n}" if self.basis == "category" else f"inputs:{n}"
            groups.setdefault(key, []).append(name)
        return groups

    def _coordinates(self, layers: dict[str, nn.Linear], seed: int) -> Iterator[frod_peft.Coordinates]:
        """Yield name, U [m, n], sigma [n] and basis of every layer."""
        if self.basis == "peft":
            yield from frod_peft.coordinates(layers, self.sparsity, self.pi, seed)
            return
        for names in self._groups(layers).values():
            weights = [layers[name].weight.detach() for name in names]
            categories = [category(name) for name in names]
            blocks = [sorted(set(categories)).index(c) for c in categories] if self.basis == "global" else None
            factors = _stored_factors(weights, blocks, self.pi)
            Vt = factors["Vt"].to(weights[0].device)  # one storage for all categories
            bases = {c: FrodBasis(Vt, random_pattern(Vt.shape[0], self.sparsity, seed, c)) for c in set(categories)}
            for i, name in enumerate(names):
                yield name, factors[f"U.{i}"], factors[f"sigma.{i}"], bases[categories[i]]

    def merge(self, adapted: Adapted) -> None:
        """See `Method.merge`."""
        for name, adapter in frod_layers(adapted.model):
            adapter.base_layer.weight.data = adapter.merged_weight()
            replace_module(adapted.model, name, adapter.base_layer)

    def detach(self, adapted: Adapted) -> None:
        """See `Method.detach`."""
        for name, adapter in frod_layers(adapted.model):
            replace_module(adapted.model, name, adapter.base_layer)

    def trainable_parameters(self, shapes: list[tuple[int, int]]) -> int:
        """Return floor(s n^2) + n summed over the target layers."""
        return sum(pattern_size(n, self.sparsity) + n for _, n in shapes)

    def diagnostics(self, adapted: Adapted) -> dict[str, Any]:
        """Return tan alpha = ||U S V^T||_F / ||U diag(dsigma) V^T||_F (Corollary 3) over the layers.

        null where neither part has moved or the on-axis part has not; `cosine` is the largest |cosine|
        between the two parts, which Eq. 15 states to be 0.
        """
        per_layer, cosines = {}, []
        for name, adapter in frod_layers(adapted.model):
            off, on, cosine = adapter.update_norms()
            per_layer[name] = off / on if on > 0 else None
            cosines.append(abs(cosine))
        known = [value for value in per_layer.values() if value is not None]
        summary = {"mean": fmean(known), "min": min(known), "max": max(known)} if known else None
        return {
            "tan_alpha": {**summary, "per_layer": per_layer} if summary else None,
            "cosine": max(cosines, default=0.0),
        }

    def fingerprint(self, adapted: Adapted) -> dict[str, Tensor]:
        """Return sketches of V^T [n] and of the pattern [1] of every basis: values mean nothing in another one."""
        sketches = {}
        for name, adapter in frod_layers(adapted.model):
            key = f"{category(name)}:{adapter.in_features}"
            if f"{key}.V" not in sketches:
                Vt, pattern = adapter.basis.Vt.double(), adapter.basis.pattern
                sketches[f"{key}.V"] = (Vt @ _probe(torch.arange(pattern.n, device=Vt.device))).float().cpu()
                places = _probe(pattern.rows * pattern.n + pattern.cols).sum(dim=0, keepdim=True)
                sketches[f"{key}.pattern"] = places.float().cpu()
        return sketches

    def save_peft(self, adapted: Adapted, directory: Path) -> None:
        """See `Method.save_peft` and `frod_peft`."""
        frod_peft.save(adapted, dict(frod_layers(adapted.model)), directory)

    @classmethod
    def load_peft(cls, model: nn.Module, directory: Path, config: dict[str, Any]) -> Adapted:
        """See `Method.load_peft`. The method is then basis=peft with PEFT's density, ridge and seed."""
        options, targets, head, seed = frod_peft.read_options(config)
        adapted = cls(basis="peft", **options).attach(model, targets, head, seed)
        adapted.load_state(frod_peft.read_state(dict(frod_layers(model)), directory))
        return adapted


def _probe(index: Tensor) -> Tensor:
    return torch.cos(index.double())


def _reconstruction_error(adapter: FrodLinear) -> float:
    """Return ||U diag(sigma) V^T - W||_F / ||W||_F of a layer at its start."""
    W = adapter.weight.detach().float()
    rebuilt = (adapter.U.float() * adapter.sigma_initial) @ adapter.basis.Vt.float()
    return ((rebuilt - W).norm() / W.norm().clamp_min(torch.finfo(torch.float32).tiny)).item()


def _stored_factors(weights: list[Tensor], blocks: list[int] | None, pi: float) -> dict[str, Tensor]:
    """Return V^T and every U_i and Sigma_i in the precision of the weights, from the disk where they are known."""

    def compute() -> dict[str, Tensor]:
        dtype = weights[0].dtype
        factors = joint_decomposition(weights, blocks, pi, dtype)
        tensors = {"Vt": factors.V.T.to(dtype).contiguous()}
        for i, (U, sigma) in enumerate(zip(factors.U, factors.sigma, strict=True)):
            tensors |= {f"U.{i}": U, f"sigma.{i}": sigma.to(torch.promote_types(dtype, torch.float32))}
        return tensors

    return cached(entry_key(weights, f"joint decomposition 1, blocks={blocks}, pi={pi!r}"), compute)


def frod_layers(model: nn.Module) -> list[tuple[str, FrodLinear]]:
    """Return the FRoD layers of a model with their names."""
    return [(name, module) for name, module in model.named_modules() if isinstance(module, FrodLinear)]


def category(name: str) -> str:
    """Return the kind of module: its dotted name with the layer numbers taken out."""
    return re.sub(r"\.\d+(?=\.|$)", "", f".{name}").lstrip(".")


METHOD = Frod
