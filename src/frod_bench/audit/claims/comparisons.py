"""What the text says about Tables 2 to 4, recomputed from the tables.

The sentences describe the tables, so the printed numbers decide. The sampling error of the evaluation rows is given
beside them.
"""

from dataclasses import dataclass
from statistics import fmean

from frod_bench.audit import printed
from frod_bench.audit.claim import Claim, Finding, verdict
from frod_bench.audit.decide import rows_error
from frod_bench.audit.evidence import Evidence

_EQUAL = 0.5  # points of mean accuracy within which FRoD is taken to match full fine-tuning
_CLEAR = 2  # standard errors of the evaluation rows beyond which two cells are clearly apart
_HEADERS = ("table", "column", "FRoD(s=0.02)", "other", "difference", "standard error")


@dataclass(frozen=True)
class _Cell:
    """FRoD at s = 0.02 beside another row in one column, in per cent."""

    table: str
    column: str
    frod: float
    other: float
    rows: int

    @property
    def difference(self) -> float:
        return round(self.frod - self.other, 2)

    @property
    def error(self) -> float:
        """One standard error of the difference, from the number of evaluation rows alone."""
        return 100 * rows_error([(self.frod / 100, self.other / 100, self.rows)])

    @property
    def clear(self) -> bool:
        return abs(self.difference) > _CLEAR * self.error

    @property
    def line(self) -> tuple:
        return f"Table {self.table[-1]}", self.column, self.frod, self.other, self.difference, self.error


def _cells(evidence: Evidence, table: str, other: str) -> list[_Cell]:
    ours, theirs = printed.frod(evidence, table).cells, printed.row(evidence, table, other).cells
    return [
        _Cell(table, column, value, theirs[column], evidence.eval_rows(printed.task(table, column)))
        for column, value in ours.items()
    ]


def _listed(cells: list[_Cell]) -> str:
    return ", ".join(f"{c.column} {c.difference:+.2f} ± {c.error:.2f}" for c in cells) or "none"


def _lines(cells: list[_Cell]) -> tuple[tuple, ...]:
    return tuple(c.line for c in cells)


def _matches_full_fine_tuning(evidence: Evidence) -> Finding:
    every = [c for table in printed.ACCURACY_TABLES for c in _cells(evidence, table, "Full FT")]
    means = [fmean(c.difference for c in every if c.table == table) for table in printed.ACCURACY_TABLES]
    overall, ahead = fmean(c.difference for c in every), sum(c.difference >= 0 for c in every)
    error = 100 * rows_error((c.frod / 100, c.other / 100, c.rows) for c in every)
    return Finding(
        verdict(len(every) == 20 and abs(overall) <= _EQUAL),
        f"Over the {len(every)} tasks FRoD is {overall:+.2f} ± {error:.2f} points from full fine-tuning on average (by"
        f" suite: {', '.join(f'{m:+.2f}' for m in means)}) and at or above it on {ahead}. More than {_CLEAR} standard"
        f" errors of the evaluation rows above: {_listed([c for c in every if c.clear and c.difference > 0])}; below:"
        f" {_listed([c for c in every if c.clear and c.difference < 0])}. The rule here: a mean difference within"
        f" {_EQUAL} points is a match.",
        _HEADERS,
        _lines(every),
    )


def _best_average(evidence: Evidence) -> Finding:
    rows = sorted(printed.rows(evidence, "table2"), key=lambda r: -fmean(r.cells.values()))
    best, second = rows[:2]
    return Finding(
        verdict(best.method == "FRoD(s=0.02)"),
        f"The highest mean of Table 2 is that of {best.method}, {fmean(best.cells.values()):.2f}; next is"
        f" {second.method}, {fmean(second.cells.values()):.2f}.",
        ("row", "mean of the cells"),
        tuple((r.method, fmean(r.cells.values())) for r in rows),
    )


def _margin(evidence: Evidence) -> Finding:
    cells = _cells(evidence, "table2", "Full FT")
    margin = fmean(c.difference for c in cells)
    averages = printed.frod(evidence, "table2").average, printed.row(evidence, "table2", "Full FT").average
    return Finding(
        verdict(0.4 in (round(margin, 1), round(averages[0] - averages[1], 1))),
        f"The means of Table 2 differ by {margin:.2f}, the printed averages ({averages[0]:.2f} and {averages[1]:.2f})"
        f" by {averages[0] - averages[1]:.2f}: more than the text claims.",
        _HEADERS,
        _lines(cells),
    )


def _goat_ahead(evidence: Evidence) -> Finding:
    cells = _cells(evidence, "table2", "GOAT")
    behind = [c for c in cells if c.difference < 0]
    clear = [c for c in behind if c.clear]
    return Finding(
        verdict(2 in (len(behind), len(clear))),
        f"In Table 2 GOAT is above FRoD(s=0.02) on {len(behind)} of {len(cells)} datasets ({_listed(behind)}), and by"
        f" more than {_CLEAR} standard errors of the evaluation rows on {len(clear)}.",
        _HEADERS,
        _lines(cells),
    )


def _decisive_gains(evidence: Evidence) -> Finding:
    named = [c for c in _cells(evidence, "table3", "Full FT") if c.column in ("BoolQ", "PIQA", "SIQA", "HellaSwag")]
    return Finding(
        verdict(all(c.difference > 0 for c in named)),
        f"In Table 3 FRoD is below full fine-tuning on {sum(c.difference < 0 for c in named)} of the four:"
        f" {_listed(named)}. Apart by more than {_CLEAR} standard errors of the evaluation rows:"
        f" {', '.join(c.column for c in named if c.clear) or 'none'}.",
        _HEADERS,
        _lines(named),
    )


def _five_of_glue(evidence: Evidence) -> Finding:
    """Read `matches` twice: as equal to the last digit, and as equal within the error of the evaluation rows."""
    cells = _cells(evidence, "table4", "Full FT")
    below = [c for c in cells if c.difference < 0]
    clear = [c for c in below if c.clear]
    readings = [(len(cells) - len(found), [c.column for c in found]) for found in (below, clear)]
    return Finding(
        verdict(any(count >= 5 and short == ["RTE"] for count, short in readings)),
        f"In Table 4 FRoD is at or above full fine-tuning on {readings[0][0]} of {len(cells)} tasks and below it on"
        f" {_listed(below)}. If what lies within {_CLEAR} standard errors of the evaluation rows is a match, it matches"
        f" or surpasses on {readings[1][0]}, and the shortfalls are: {', '.join(readings[1][1]) or 'none'}.",
        _HEADERS,
        _lines(cells),
    )


_RESULTS = 'paper, "Main Results"'
CLAIMS = (
    Claim(
        "matches-full-ft",
        "On 20 benchmarks [...] FRoD matches full model fine-tuning in accuracy",
        "The mean difference to full fine-tuning over the 20 columns is at most half a point.",
        "paper, abstract",
        _matches_full_fine_tuning,
    ),
    Claim(
        "best-average",
        "attains the best average accuracy across seven datasets",
        "FRoD(s=0.02) has the highest mean of Table 2.",
        _RESULTS,
        _best_average,
    ),
    Claim(
        "margin",
        "edging out full fine-tuning by 0.4 accuracy",
        "The means of FRoD(s=0.02) and of full fine-tuning in Table 2 differ by 0.4.",
        _RESULTS,
        _margin,
    ),
    Claim(
        "goat-ahead",
        "GOAT outperforms FRoD on two individual datasets",
        "In Table 2 GOAT is above FRoD(s=0.02) in two columns.",
        _RESULTS,
        _goat_ahead,
    ),
    Claim(
        "decisive-gains",
        "decisive gains over full FT on BoolQ, PIQA, SIQA and HellaSwag",
        "In Table 3 FRoD is above full fine-tuning in these four columns.",
        _RESULTS,
        _decisive_gains,
    ),
    Claim(
        "five-of-glue",
        "matches or surpasses full FT on five GLUE tasks. The single shortfall on RTE",
        "In Table 4 FRoD is at or above full fine-tuning in five columns or more, and below it in RTE alone.",
        _RESULTS,
        _five_of_glue,
    ),
)
