"""The paper's Tables 2 to 5 as printed (`results/paper/table*.csv`), and GOAT's tables, from which rows are cited."""

import re
from dataclasses import dataclass

from frod_bench.audit.evidence import Evidence
from frod_bench.errors import RequestError

ACCURACY_TABLES = ("table2", "table3", "table4")
_SUITES = {"table2": "vision", "table3": "commonsense", "table4": "glue"}
_GOAT_TABLES = {"table2": "Table 1", "table3": "Table 3", "table4": "Table 4"}
_AVERAGE = "Average"
_SETTING = re.compile(r"s=(?P<s>\S+) lr\(S\)=(?P<lr_s>\S+) lr\(Σ\)=(?P<lr_sigma>\S+)")


@dataclass(frozen=True)
class Row:
    """One row of Tables 2 to 4: accuracies in per cent by column, and whether a dagger marks it as cited."""

    table: str
    method: str
    cells: dict[str, float]
    average: float
    cited: bool

    @property
    def label(self) -> str:
        return f"Table {self.table[-1]}"


@dataclass(frozen=True)
class Ablation:
    """One row of Table 5: density, learning rates of S and Sigma, and mean accuracy in per cent by epoch."""

    sparsity: float
    lr_s: float
    lr_sigma: float
    accuracy: dict[int, float]

    @property
    def ratio(self) -> float | None:
        """lr(S) / lr(Sigma); None where one of them is off."""
        return round(self.lr_s / self.lr_sigma, 6) if self.lr_s and self.lr_sigma else None


def rows(evidence: Evidence, table: str) -> list[Row]:
    """Return the rows of one of the accuracy tables."""
    lines = evidence.table(table)
    cited = {line["row"]: line["source"] == "cited" for line in lines}
    cells = {method: _cells(lines, method) for method in cited}
    return [Row(table, method, cells[method], cells[method].pop(_AVERAGE), cited[method]) for method in cited]


def ablation(evidence: Evidence) -> list[Ablation]:
    """Return the rows of Table 5."""
    lines = evidence.table("table5")
    found = []
    for name in dict.fromkeys(line["row"] for line in lines):
        if (setting := _SETTING.fullmatch(name)) is None:
            raise RequestError(f"table5.csv has a row {name!r}, which is not of the form s=... lr(S)=... lr(Σ)=...")
        sparsity, lr_s, lr_sigma = map(float, setting.groups())
        accuracy = {int(column.removeprefix("epoch ")): value for column, value in _cells(lines, name).items()}
        found.append(Ablation(sparsity, lr_s, lr_sigma, accuracy))
    return found


def _cells(lines: list[dict[str, str]], row: str) -> dict[str, float]:
    return {line["column"]: float(line["value"]) for line in lines if line["row"] == row}


def row(evidence: Evidence, table: str, method: str) -> Row:
    """Return the row of a method."""
    return next(r for r in rows(evidence, table) if r.method == method)


def frod(evidence: Evidence, table: str) -> Row:
    """Return FRoD's row at s = 0.02, which all three tables have."""
    return row(evidence, table, "FRoD(s=0.02)")


def task(table: str, column: str) -> str:
    """Return our name for a column's task, e.g. glue/sst2."""
    name = {"obqa": "openbookqa"}.get(column.lower(), column.lower().replace("-", ""))
    return f"{_SUITES[table]}/{name}"


def goat_cells(evidence: Evidence, table: str, method: str) -> dict[str, float]:
    """Return what GOAT's paper prints for a method, by column; empty where it has no such row."""
    return _cells([line for line in evidence.table("goat") if line["table"] == _GOAT_TABLES[table]], method)
