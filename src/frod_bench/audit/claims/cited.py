"""The rows with a dagger against the paper they are cited from."""

from collections.abc import Iterator

from frod_bench.audit import printed
from frod_bench.audit.claim import Claim, Finding, verdict
from frod_bench.audit.claims import averages
from frod_bench.audit.evidence import Evidence


def _check(evidence: Evidence) -> Finding:
    compared = list(_cells(evidence, cited=True))
    differing = tuple(cell for cell in compared if cell[3] != cell[4])
    unmarked = list(_cells(evidence, cited=False))
    equal = sum(cell[3] == cell[4] for cell in unmarked)
    rows = [r for t in printed.ACCURACY_TABLES for r in printed.rows(evidence, t)]
    touched = [row for row in rows if (row.label, row.method) in {cell[:2] for cell in differing}]
    goat_means = [(averages.goat_mean(evidence, row), row.average) for row in touched]
    carried = sum(mean is not None and abs(mean - average) <= averages.ROUNDING for mean, average in goat_means)
    return Finding(
        verdict(not differing),
        f"{len(compared) - len(differing)} of {len(compared)} cells of the marked rows are GOAT's, {len(differing)} in"
        f" {len(touched)} rows are not. The averages printed in {carried} of these rows are the means of GOAT's cells,"
        f" not of the cells beside them. Of the {len(unmarked)} cells of full fine-tuning in Tables 2 and 4, which"
        f" carry no mark, {equal} equal GOAT's to the last digit.",
        ("table", "row", "column", "printed here", "printed by GOAT"),
        differing,
    )


def _cells(evidence: Evidence, cited: bool) -> Iterator[tuple[str, str, str, float, float]]:
    for table in printed.ACCURACY_TABLES:
        for row in printed.rows(evidence, table):
            theirs = printed.goat_cells(evidence, table, row.method)
            if row.cited == cited:
                for column, value in row.cells.items():
                    if column in theirs:
                        yield row.label, row.method, column, value, theirs[column]


CLAIMS = (
    Claim(
        "cited-rows",
        "The symbol † indicates that the results are taken from (Fan et al. 2025).",
        "The marked cells equal those of Fan et al. 2025 (GOAT, arXiv 2502.16894v4).",
        "paper, captions of Tables 2-4",
        _check,
    ),
)
