"""Packaged weights decomposed: what the claims about the shared basis are measured on."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from frod_bench.audit.evidence import Evidence
from frod_bench.linalg.joint import JointFactors, joint_decomposition

BACKBONES = ("minilm", "smollm2_135m", "vit_tiny")
_RANDOM_LAYERS, _RANDOM_WIDTH = 12, 768  # the query projections of CLIP ViT-B/32


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
    return evidence.once("groups", lambda: [_decomposed(*group) for group in _stacks(evidence)])


def stacks(evidence: Evidence, backbone: str) -> dict[str, list[Tensor]]:
    """Return the weights of a packaged backbone by category, the layers in the model's order."""
    found: dict[str, list[Tensor]] = {}
    for name, weight in evidence.layers(backbone).items():
        found.setdefault(re.split(r"\.\d+\.", name)[-1], []).append(weight.float())  # the part after the layer's number
    return found


def _stacks(evidence: Evidence) -> Iterator[tuple[str, str, list[Tensor]]]:
    for backbone in BACKBONES:
        for name, weights in stacks(evidence, backbone).items():
            yield backbone, name, weights
    generator = torch.Generator().manual_seed(0)
    shape = (_RANDOM_WIDTH, _RANDOM_WIDTH)
    yield "random", "normal", [torch.randn(shape, generator=generator) / 28 for _ in range(_RANDOM_LAYERS)]


def _decomposed(backbone: str, name: str, weights: list[Tensor]) -> Group:
    return Group(backbone, name, weights, joint_decomposition(weights, dtype=torch.float32))
