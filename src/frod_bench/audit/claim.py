"""A claim, what was found about it, and how a list of claims is judged."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch

from frod_bench.audit.evidence import Evidence, MissingEvidence

HOLDS, FAILS, UNDECIDED, OPEN = VERDICTS = (
    *("holds", "does not hold"),
    *("not decided here", "cannot be checked here"),
)


@dataclass(frozen=True)
class Finding:
    """What was found: a verdict, the measurement in a sentence or two, and the rows behind it.

    `would_take` is what would decide a claim that this evidence does not: given with that verdict and no other.
    """

    verdict: str
    measured: str
    headers: tuple[str, ...] = ()
    rows: tuple[tuple, ...] = ()
    would_take: str = ""

    def __post_init__(self):
        if self.verdict not in VERDICTS:
            raise ValueError(f"{self.verdict!r} is no verdict")
        if (self.verdict == UNDECIDED) != bool(self.would_take):
            raise ValueError(f"{UNDECIDED!r}, and no other verdict, says what it would take")


@dataclass(frozen=True)
class Claim:
    """One checkable statement.

    `quote` is what is printed, word for word and short, `source` where: in the paper, or in a file of the released
    code. Without a quote nobody states it, and a reader of the tables or the code takes it for granted. `checks` is
    what exactly is checked, in our words. `check` raises `MissingEvidence` when what it needs is not on this machine.
    """

    name: str
    quote: str
    checks: str
    source: str
    check: Callable[[Evidence], Finding]
    needs: str = ""  # options of the command without which it cannot be checked

    @property
    def implied(self) -> bool:
        """Whether it is nowhere printed."""
        return not self.quote

    @property
    def command(self) -> str:
        """What repeats the measurement."""
        return f"frod-bench audit --only {self.name} {self.needs}".strip()


READS_CODE, RUNS_CODE = "--code DIR", "--code DIR --run-code"  # what `Claim.needs`


@dataclass(frozen=True)
class CheckedClaim:
    """A claim with its finding; `to_do` is what to type first where it could not be checked."""

    claim: Claim
    finding: Finding
    to_do: str = ""


def check_claims(claims: Iterable[Claim], evidence: Evidence) -> Iterator[CheckedClaim]:
    """Yield every claim with what is found about it, one at a time."""
    for claim in claims:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)  # whatever a check draws, the page stays the same
            try:
                judged = CheckedClaim(claim, claim.check(evidence))
            except MissingEvidence as missing:
                judged = CheckedClaim(claim, Finding(OPEN, missing.what), missing.command)
        yield judged


def verdict(holds: bool) -> str:
    """Return the word for a check that leaves no doubt."""
    return HOLDS if holds else FAILS
