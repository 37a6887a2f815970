"""Joint decompositions of packaged weights, on which the claims about the shared basis are measured."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from frod_bench.audit.evidence import Evidence

if TYPE_CHECKING:
    from torch import Tensor

    from frod_bench.linalg.joint import JointFactors

BACKBONES = ("minilm", "smollm2_135m", "vit_tiny")
RANDOM_LAYERS, RANDOM_WIDTH = 12, 768  # the query projections of CLIP ViT-B/32


@dataclass(frozen=True)
class Group:
    """The L layers of one category and their joint decomposition: V [n, n], U_i [m, n], Sigma_i [n]."""

    backbone: str
    category: str
    weights: list[Tensor]  # L of [m, n], float32
    factors: JointFactors  # U in float32, V and Sigma in float64

    @property
    def width(self) -> int:
        return self.weights[0].shape[1]


def groups(evidence: Evidence) -> list[Group]:
    """Return the categories of the packaged backbones and one of normal random weights, decomposed once."""
    return evidence.cached("groups", lambda: [_decomposed(*group) for group in _stacks(evidence)])


def stacks(evidence: Evidence, backbone: str) -> dict[str, list[Tensor]]:
    """Return the weights of a packaged backbone by category, the layers in the model's order."""
    found: dict[str, list[Tensor]] = {}
    for name, weight in evidence.layers(backbone).items():
        category = re.split(r"\.\d+\.", name)[-1]  # the part after the layer's number
        found.setdefault(category, []).append(weight.float())
    return found


def _stacks(evidence: Evidence) -> Iterator[tuple[str, str, list[Tensor]]]:
    import torch

    for backbone in BACKBONES:
        for name, weights in stacks(evidence, backbone).items():
            yield backbone, name, weights
    generator = torch.Generator().manual_seed(0)
    normal = [torch.randn(RANDOM_WIDTH, RANDOM_WIDTH, generator=generator) for _ in range(RANDOM_LAYERS)]
    yield "random", "normal", [W / RANDOM_WIDTH**0.5 for W in normal]


def _decomposed(backbone: str, name: str, weights: list[Tensor]) -> Group:
    import torch

    from frod_bench.linalg.joint import joint_decomposition

    return Group(backbone, name, weights, joint_decomposition(weights, dtype=torch.float32))
