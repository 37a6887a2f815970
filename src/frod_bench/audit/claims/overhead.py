"""What the sparse matrix costs: counted multiplications, and times from stored benchmarks."""

from typing import Any

from frod_bench.audit.architectures import PAPER_BACKBONES
from frod_bench.audit.claim import FAILS, HOLDS, UNDECIDED, Claim, Finding
from frod_bench.audit.evidence import Evidence, MissingEvidence

_MINIMAL = 0.1  # of the layer's time
_DENSITY = 0.02
_TARGETS = ["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"]
_BENCH = "frod-bench bench ops --to results/bench"


def _overhead(evidence: Evidence) -> Finding:
    layers = [(m, n) for m, n, _ in PAPER_BACKBONES["clip_vit_b32"].layers(_TARGETS)]
    layer = sum(n * n + m * n for m, n in layers)  # multiplications of U (Sigma x) V^T a token, Sigma aside
    square = sum(n * n for _, n in layers)
    counted = _DENSITY * square / layer
    rows = [row for result in evidence.benchmarks("ops") for row in _timed(result)]
    if not rows:
        raise MissingEvidence("It needs the times of S beside those of its layer.", _BENCH)
    shares, dense = [row[5] for row in rows], [row[6] for row in rows]
    devices = {row[1].partition(",")[0] for row in rows}
    all_little = max(shares) <= _MINIMAL
    would_take = "" if "cuda" in devices else "The same times on a GPU, which is what the paper trained on."
    return Finding(
        UNDECIDED if would_take else HOLDS if all_little else FAILS,
        f"In the layer U (Sigma + S) V^T of CLIP ViT-B/32 the multiplications of S at density {_DENSITY} are"
        f" {counted:.1%} of those by U and V, where a dense matrix in its place would add {square / layer:.0%}."
        f" Timed on {' and '.join(sorted(devices))} in this repository's kernels, forward and backward, S takes"
        f" {min(shares):.0%} to {max(shares):.0%} of the layer's time, and {min(dense):.0%} to {max(dense):.0%} of the"
        f" time of a dense matrix. The rule here: up to {_MINIMAL:.0%} of the layer is minimal.",
        ("shape", "device", "m", "n", "ms, layer", "S over layer", "S over a dense matrix"),
        tuple(rows),
        would_take,
    )


def _timed(result: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Return, for each layer shape of a benchmark, the time of S over the factored layer and over a dense matrix."""
    found = []
    for row in result["rows"]:
        products = [p for p in result["products"] if p["n"] == row["n"] and p["pattern"] == "random"]
        ms, dense = (sum(p[key] for p in products) for key in ("ms", "dense_ms"))
        place = result["setting"]["shape"], result["environment"]["device"], row["m"], row["n"]
        found.append((*place, row["factored_ms"], ms / row["factored_ms"], ms / dense))
    return found


CLAIMS = (
    Claim(
        "overhead",
        "additive sparse matrices, which efficiently inject rotational flexibility with minimal computational overhead",
        "S adds little to the layer U (Sigma + S) V^T, and less than a dense matrix in its place.",
        'paper, "Motivation: Parameter Degree of Freedom"',
        _overhead,
    ),
)
