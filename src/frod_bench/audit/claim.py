"""A claim, the finding of its check, and the loop that checks a list of claims."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from frod_bench.audit.evidence import Evidence, MissingEvidence

HOLDS, FAILS, UNDECIDED, OPEN = VERDICTS = (
    *("holds", "does not hold"),
    *("not decided here", "cannot be checked here"),
)


@dataclass(frozen=True)
class Finding:
    """The outcome of a check: a verdict, the measurement in a sentence or two, and the rows behind it.

    `would_take` says what would decide the claim; the verdict "not decided here" needs it, and no other has it.
    """

    verdict: str
    measured: str
    headers: tuple[str, ...] = ()
    rows: tuple[tuple[Any, ...], ...] = ()
    would_take: str = ""

    def __post_init__(self):
        if self.verdict not in VERDICTS:
            raise ValueError(f"{self.verdict!r} is no verdict")
        if (self.verdict == UNDECIDED) != bool(self.would_take):
            raise ValueError(f"{UNDECIDED!r}, and no other verdict, says what it would take")


@dataclass(frozen=True)
class Claim:
    """One checkable statement.

    `quote` is a short verbatim quotation, `source` says where it stands: in the paper, or in a file of the released
    code. A claim without a quote is implied: nobody states it, but readers of the tables or the code assume it.
    `checks` says in our words exactly what is checked. `check` raises `MissingEvidence` when this machine lacks what
    it needs.
    """

    name: str
    quote: str
    checks: str
    source: str
    check: Callable[[Evidence], Finding]
    needs: str = ""  # options of the command that the check needs

    @property
    def implied(self) -> bool:
        """Whether the claim is implied rather than printed anywhere."""
        return not self.quote

    @property
    def command(self) -> str:
        """The command that repeats the measurement."""
        return f"frod-bench audit --only {self.name} {self.needs}".strip()


READS_CODE, RUNS_CODE = "--code DIR", "--code DIR --run-code"  # values of `Claim.needs`


@dataclass(frozen=True)
class CheckedClaim:
    """A claim with its finding; where the check could not run, `to_do` is the command that makes it possible."""

    claim: Claim
    finding: Finding
    to_do: str = ""


def check_claims(claims: Iterable[Claim], evidence: Evidence) -> Iterator[CheckedClaim]:
    """Check the claims one after the other and yield each with its finding."""
    import torch  # takes a second, which the list of claims can do without

    for claim in claims:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)  # so that the page is the same every time
            try:
                judged = CheckedClaim(claim, claim.check(evidence))
            except MissingEvidence as missing:
                judged = CheckedClaim(claim, Finding(OPEN, missing.what), missing.command)
        yield judged


def verdict(holds: bool) -> str:
    """Return the verdict of a check that can only hold or fail."""
    return HOLDS if holds else FAILS
