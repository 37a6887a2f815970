"""The trainable parameters of every row of the paper's tables, counted in every way that could be meant."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from frod_bench.audit.architectures import PAPER_BACKBONES
from frod_bench.errors import RequestError


@dataclass(frozen=True)
class ParameterCount:
    """One row: its counts and the percentages that follow from them.

    `pct_backbone` divides the adapter by the backbone, `pct_with_adapter` by backbone and adapter; the `pct_head*`
    pair counts the head in numerator and denominator; `pct_goat` divides by GOAT's total for full fine-tuning.
    """

    table: str
    row: str
    backbone: str
    settings: str
    paper_pct: float | None
    adapter: int
    head: int
    pct_backbone: float
    pct_with_adapter: float
    pct_head: float
    pct_head_with_adapter: float
    pct_goat: float
    note: str

    @property
    def printed_pct(self) -> float:
        """The printed percentage of a row that has one."""
        if self.paper_pct is None:
            raise RequestError(f"The paper prints no percentage for {self.row} of {self.table}.")
        return self.paper_pct

    @property
    def shares(self) -> tuple[float, ...]:
        """The percentage under each of the five ways of counting."""
        return self.pct_backbone, self.pct_with_adapter, self.pct_head, self.pct_head_with_adapter, self.pct_goat


def count_parameters(file: Path) -> list[ParameterCount]:
    """Return the counts of every row of `file`, the paper's percentages (`results/paper/params.csv`)."""
    with file.open(newline="", encoding="utf-8") as text:
        return [_count_row(row) for row in csv.DictReader(text)]


def _count_row(row: dict[str, str]) -> ParameterCount:
    architecture, total = PAPER_BACKBONES[row["backbone"]], _total(row["backbone"])
    head = architecture.head()
    if row["method"] == "full_ft":
        adapter, added = total, 0
    else:
        adapter = added = _adapter(row["backbone"], row["method"], row["options"], row["targets"])
    return ParameterCount(
        table=row["table"],
        row=row["row"],
        backbone=row["backbone"],
        settings=row["options"],
        paper_pct=float(row["paper_pct"]) if row["paper_pct"] else None,
        adapter=adapter,
        head=head,
        pct_backbone=100 * adapter / total,
        pct_with_adapter=100 * adapter / (total + added),
        pct_head=100 * (adapter + head) / (total + head),
        pct_head_with_adapter=100 * (adapter + head) / (total + head + added),
        pct_goat=100 * adapter / architecture.goat_total,
        note=row["note"],
    )


def _adapter(backbone: str, method: str, options: str, targets: str) -> int:
    """Return the method's closed form; a layer without a bias has none to train."""
    from frod_bench.methods import make_method  # imports torch

    values = {k: yaml.safe_load(v) for k, _, v in (part.partition("=") for part in options.split())}
    layers = _layers(backbone, targets)
    if not any(bias for _, _, bias in layers) and "bias" in make_method(method).__dataclass_fields__:
        values["bias"] = False
    return make_method(method, **values).trainable_parameters([(m, n) for m, n, _ in layers])


@cache
def _total(backbone: str) -> int:
    return PAPER_BACKBONES[backbone].parameters()


@cache
def _layers(backbone: str, targets: str) -> list[tuple[int, int, bool]]:
    return PAPER_BACKBONES[backbone].layers(targets.split())


def unexplained(rows: Iterable[ParameterCount]) -> list[ParameterCount]:
    """Return the rows whose printed percentage no way of counting reproduces to two decimals, rounded or truncated."""
    return [row for row in rows if row.paper_pct is not None and not _agrees(row)]


def _agrees(row: ParameterCount) -> bool:
    return any(matches_printed(row.paper_pct, share) for share in row.shares)


def matches_printed(printed: float | None, share: float) -> bool:
    """Return whether a percentage prints like this to two decimals, rounded or truncated."""
    return printed in (round(share, 2), int(share * 100) / 100)
