"""How stable FRoD's decomposition is over the ridge pi of Eq. 3: reconstruction error and condition.

    python scripts/stability.py [--to results/bench]

Decomposes the packaged backbones for every pi, both readings of Eq. 3 and both sides, in float32 as a run does, and
writes a line for each: the largest error of U diag(Sigma) V^T over the layers with the layer's name, how many layers
exceed 1e-5, the largest condition of V, and the largest error of U from W and V alone.
"""

import argparse
import itertools
from pathlib import Path
from typing import Any

import torch
from torch import nn

from frod_bench.adapters import base_weight
from frod_bench.config.backbones import registered_backbone
from frod_bench.config.instantiate import build
from frod_bench.files import save_text
from frod_bench.linalg.joint import joint_decomposition, reconstruction_errors
from frod_bench.linalg.right_inverse import basis_inverse, right_errors
from frod_bench.methods.support.frod_groups import Grouping
from frod_bench.methods.support.injection import find_targets
from frod_bench.ops.frod_linear import FACTORED_ERROR
from frod_bench.report.table import table_of_records, to_csv, to_markdown

BACKBONES = ("vit_tiny", "minilm", "smollm2_135m")
RIDGES = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)


def target_weights(name: str) -> dict[str, torch.Tensor]:
    """Return the weights [m, n] of a packaged backbone's target layers, by name."""
    backbone = registered_backbone(name)
    model = build(backbone.config, "backbones").build(2, 0)
    layers: list[tuple[str, nn.Linear]] = find_targets(model, backbone.targets, backbone.head)
    return {layer: base_weight(module).detach().float() for layer, module in layers}


def row(name: str, weights: dict[str, torch.Tensor], pi: float, basis: str, side: str) -> dict[str, Any]:
    """Return the line of one backbone, ridge, reading and side."""
    grouping = Grouping(basis, side)
    errors: dict[str, float] = {}
    right: list[float] = []
    condition = 0.0
    shapes = {layer: (weight.shape[0], weight.shape[1]) for layer, weight in weights.items()}
    for layers in grouping.groups(shapes).values():
        short = grouping.is_short(shapes[layers[0]])
        group = [weights[layer].T if short else weights[layer] for layer in layers]
        factors = joint_decomposition(group, grouping.blocks(layers), pi, torch.float32)
        Vt, inverse = factors.V.T.float(), basis_inverse(factors.V.T)
        found = reconstruction_errors(group, factors.U, factors.sigma, Vt)
        errors |= dict(zip(layers, found.tolist(), strict=True))
        of_u = right_errors(group, factors.U, factors.sigma, None if inverse is None else inverse.float())
        tall = [m > n for m, n in (weight.shape for weight in group)]  # others have no such form
        right += [error for error, has_form in zip(of_u.tolist(), tall, strict=True) if has_form]
        condition = max(condition, torch.linalg.cond(factors.V).item())
    worst = max(errors, key=errors.__getitem__)
    return {
        "backbone": name,
        "basis": basis,
        "side": side,
        "pi": f"{pi:.0e}",
        "largest error": f"{errors[worst]:.1e}",
        "of layer": worst,
        f"above {FACTORED_ERROR:.0e}": sum(error > FACTORED_ERROR for error in errors.values()),
        "layers": len(errors),
        "cond(V)": f"{condition:.0f}",
        "largest error of U = W V^-T Sigma^-1": f"{max(right):.1e}",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", type=Path, default=Path("results/bench"), metavar="DIR")
    folder = parser.parse_args().to
    rows = []
    for name in BACKBONES:
        weights = target_weights(name)
        for basis, side, pi in itertools.product(("category", "global"), ("input", "short"), RIDGES):
            rows.append(row(name, weights, pi, basis, side))
            print(*rows[-1].values(), flush=True)
    table = table_of_records(rows, str, absent="")
    folder.mkdir(parents=True, exist_ok=True)
    save_text(folder / "stability.csv", to_csv(table))
    save_text(folder / "stability.md", to_markdown(table))


if __name__ == "__main__":
    main()
