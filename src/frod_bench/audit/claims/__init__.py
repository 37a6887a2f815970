"""Every claim, in the order of the page; a new one is a `Claim` in a file here and its module in this list."""

from frod_bench.audit.claim import Claim
from frod_bench.audit.claims import (
    ablation,
    averages,
    baselines,
    cited,
    comparisons,
    convergence,
    curves,
    decomposition,
    parameters,
    protocol,
    released,
    runs,
    single_runs,
    updates,
)

SECTIONS: dict[str, tuple[Claim, ...]] = {
    "The printed tables": averages.CLAIMS + cited.CLAIMS + single_runs.CLAIMS + comparisons.CLAIMS,
    "Parameters": parameters.CLAIMS,
    "The mathematics": decomposition.CLAIMS + updates.CLAIMS,
    "The ablation": ablation.CLAIMS,
    "How the numbers were made": protocol.CLAIMS + curves.CLAIMS + baselines.CLAIMS,
    "The released code": released.CLAIMS,
    "Runs of ours": runs.CLAIMS + convergence.CLAIMS,
}
CLAIMS = tuple(claim for section in SECTIONS.values() for claim in section)
