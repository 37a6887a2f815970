"""The paper's Tables 2 to 5 as printed (`results/paper/table*.csv`), and GOAT's where rows are cited from it."""

from dataclasses import dataclass

from frod_bench.audit.evidence import Evidence

ACCURACY_TABLES = ("table2", "table3", "table4")
_SUITES = {"table2": "vision", "table3": "commonsense", "table4": "glue"}
_NO_CELL = ("method", "params_pct", "average", "source")
_GOAT_TABLES = {"table2": "Table 1", "table3": "Table 3", "table4": "Table 4"}


@dataclass(frozen=True)
class Row:
    """One row of Tables 2 to 4: accuracies in per cent by column, and whether it is cited (the dagger)."""

    table: str
    method: str
    cells: dict[str, float]
    average: float
    cited: bool

    @property
    def label(self) -> str:
        return f"Table {self.table[-1]}"


def rows(evidence: Evidence, table: str) -> list[Row]:
    """Return the rows of one of the accuracy tables."""
    return [
        Row(
            table=table,
            method=line["method"],
            cells={column: float(value) for column, value in line.items() if column not in _NO_CELL},
            average=float(line["average"]),
            cited=line["source"] != "paper",
        )
        for line in evidence.table(table)
    ]


def row(evidence: Evidence, table: str, method: str) -> Row:
    """Return one row by the name of its method."""
    return next(r for r in rows(evidence, table) if r.method == method)


def frod(evidence: Evidence, table: str) -> Row:
    """Return the row of FRoD at s = 0.02, which all three tables have."""
    return row(evidence, table, "FRoD(s=0.02)")


def task(table: str, column: str) -> str:
    """Return the name of a column's task here, e.g. glue/sst2."""
    name = {"obqa": "openbookqa"}.get(column.lower(), column.lower().replace("-", ""))
    return f"{_SUITES[table]}/{name}"


def goat_cells(evidence: Evidence, table: str, method: str) -> dict[str, float]:
    """Return what GOAT's own paper prints for a method, by column; empty when it has no such row."""
    number = _GOAT_TABLES[table]
    lines = evidence.table("goat")
    return {r["column"]: float(r["value"]) for r in lines if r["table"] == number and r["method"] == method}
