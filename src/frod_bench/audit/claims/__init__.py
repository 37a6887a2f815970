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
    overhead,
    parameters,
    protocol,
    released,
    runs,
    single_runs,
    updates,
)

_BY_SUBJECT: dict[str, tuple[Claim, ...]] = {
    "The printed tables": averages.CLAIMS + cited.CLAIMS + single_runs.CLAIMS + comparisons.CLAIMS,
    "Parameters": parameters.CLAIMS,
    "The mathematics": decomposition.CLAIMS + updates.CLAIMS + overhead.CLAIMS,
    "The ablation": ablation.CLAIMS,
    "How the numbers were made": protocol.CLAIMS + curves.CLAIMS + baselines.CLAIMS,
    "The released code": released.CLAIMS,
    "Runs of ours": runs.CLAIMS + convergence.CLAIMS,
}
_ALL = tuple(claim for section in _BY_SUBJECT.values() for claim in section)

# what is printed, by subject, and apart from it what nobody prints
SECTIONS: dict[str, tuple[Claim, ...]] = {
    title: tuple(claim for claim in section if not claim.implied) for title, section in _BY_SUBJECT.items()
} | {"What the tables and the code imply": tuple(claim for claim in _ALL if claim.implied)}
CLAIMS = tuple(claim for section in SECTIONS.values() for claim in section)
