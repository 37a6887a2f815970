"""Every claim, in the order of the page. To add one, define a `Claim` in a file here and add its module to this list.

No file here imports torch at its top: listing the claims and refusing an unknown name take no second.
"""

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
    small_scale,
    updates,
)

_BY_SUBJECT: dict[str, tuple[Claim, ...]] = {
    "The printed tables": averages.CLAIMS + cited.CLAIMS + single_runs.CLAIMS + comparisons.CLAIMS,
    "Parameters": parameters.CLAIMS,
    "The mathematics": decomposition.CLAIMS + updates.CLAIMS + overhead.CLAIMS,
    "The ablation": ablation.CLAIMS,
    "How the numbers were made": protocol.CLAIMS + curves.CLAIMS + baselines.CLAIMS,
    "The released code": released.CLAIMS,
    "Runs of ours": runs.CLAIMS + convergence.CLAIMS + small_scale.CLAIMS,
}
_ALL = tuple(claim for section in _BY_SUBJECT.values() for claim in section)

# the printed claims by subject, then those that are only implied
SECTIONS: dict[str, tuple[Claim, ...]] = {
    title: tuple(claim for claim in section if not claim.implied) for title, section in _BY_SUBJECT.items()
} | {"What the tables and the code imply": tuple(claim for claim in _ALL if claim.implied)}
CLAIMS = tuple(claim for section in SECTIONS.values() for claim in section)
