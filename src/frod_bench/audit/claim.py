"""A claim, what was found about it, and how a list of claims is judged."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch

from frod_bench.audit.evidence import Evidence, Missing

HOLDS, FAILS, OPEN = VERDICTS = ("holds", "does not hold", "cannot be checked here")


@dataclass(frozen=True)
class Finding:
    """What was found: a verdict, the measurement in a sentence or two, and the rows behind it."""

    verdict: str
    measured: str
    headers: tuple[str, ...] = ()
    rows: tuple[tuple, ...] = ()

    def __post_init__(self):
        if self.verdict not in VERDICTS:
            raise ValueError(f"{self.verdict!r} is no verdict")


@dataclass(frozen=True)
class Claim:
    """One checkable statement.

    `states` is what is said, in our words; `source` where: of the paper, or file and line of the released code.
    `check` raises `Missing` when what it needs is not on this machine.
    """

    name: str
    states: str
    source: str
    check: Callable[[Evidence], Finding]
    code: bool = False  # reads the released code, so `--code DIR` belongs to its command

    @property
    def command(self) -> str:
        """What repeats the measurement."""
        return f"frod-bench audit --only {self.name}" + (" --code DIR" if self.code else "")


@dataclass(frozen=True)
class Judged:
    """A claim with its finding; `to_do` is what to type first where it could not be checked."""

    claim: Claim
    finding: Finding
    to_do: str = ""


def judge(claims: Iterable[Claim], evidence: Evidence) -> Iterator[Judged]:
    """Yield every claim with what is found about it, one at a time."""
    for claim in claims:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)  # code of a release draws from the global generator; the page stays the same
            try:
                judged = Judged(claim, claim.check(evidence))
            except Missing as missing:
                judged = Judged(claim, Finding(OPEN, missing.what), missing.command)
        yield judged


def verdict(holds: bool) -> str:
    """Return the word for a check that has been made."""
    return HOLDS if holds else FAILS
