"""The last column of Tables 2 to 4 against the cells beside it."""

from statistics import fmean

from frod_bench.audit import printed
from frod_bench.audit.claim import Claim, Finding, verdict
from frod_bench.audit.evidence import Evidence

ROUNDING = 0.01 + 1e-9  # half a unit of the last digit in the cells and half in the mean


def _check(evidence: Evidence) -> Finding:
    rows = [row for table in printed.ACCURACY_TABLES for row in printed.rows(evidence, table)]
    odd = [row for row in rows if abs(fmean(row.cells.values()) - row.average) > ROUNDING]
    detail = tuple((r.label, r.method, r.average, fmean(r.cells.values()), goat_mean(evidence, r)) for r in odd)
    explained = [r for r in detail if r[4] is not None and abs(r[4] - r[2]) <= ROUNDING]
    return Finding(
        verdict(not odd),
        f"{len(odd)} of {len(rows)} printed averages are further than 0.01 from the mean of their row's cells. "
        f"{len(explained)} of these are the mean over all eight columns that GOAT prints for that row, two of which"
        " this paper's table leaves out.",
        ("table", "row", "printed average", "mean of the printed cells", "mean of GOAT's own cells"),
        detail,
    )


def goat_mean(evidence: Evidence, row: printed.Row) -> float | None:
    """Return the mean of all columns that GOAT's paper prints for this row, None where it has no such row."""
    cells = printed.goat_cells(evidence, row.table, row.method)
    cells.pop("Average", None)
    return fmean(cells.values()) if cells else None


CLAIMS = (
    Claim(
        "averages",
        "Average",
        "The last column is the mean of the accuracies printed in its row.",
        "paper, header of the last column of Tables 2-4",
        _check,
    ),
)
