"""A comparison with a table of the paper: for the terminal, as Markdown, CSV and LaTeX."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from frod_bench.report import table
from frod_bench.report.compare import DIFFERS, REPRODUCED, RULE, ComparedCell, RankAgreement
from frod_bench.report.paper import PaperTable
from frod_bench.report.table import Bullets, Column, Note, Prose, Table

_LEGEND = Prose(
    "Scores in percent. ours: mean over the seeds, at the epoch that the selection reports (selection=last: the last"
    " one; holdout: the best on held-out training rows; otherwise the best on the evaluation split; a column that names"
    " an epoch: that one), ± half of a 95 % interval where there are several seeds. margin: see the verdict."
    " last epoch: the same runs at their last epoch. % trainable: adapters without the head over the backbone; the"
    " paper counts in other ways (`frod-bench audit params`). Average: over the columns shown; the paper's is computed"
    " again from its own."
)


@dataclass(frozen=True)
class PaperComparison:
    """A table of the paper, the cells that compare our runs with it, and our setting."""

    paper: PaperTable
    cells: list[ComparedCell]
    setting: dict[str, str]  # profile, protocol, backbone, selection, data, overrides; empty where there is none
    agreements: list[RankAgreement]
    remarks: list[str] = field(default_factory=list)

    @property
    def title(self) -> str:
        """The table's number and our setting."""
        setting = ", ".join(f"{key} {value}" for key, value in self.setting.items() if value)
        return f"Table {self.paper.name.removeprefix('table')}: {setting}"

    @property
    def columns(self) -> list[str]:
        """The columns in the paper's order."""
        return list(dict.fromkeys(cell.column for cell in self.cells))

    @property
    def notes(self) -> list[Note]:
        """Verdicts counted, rankings, remarks and the legend."""
        counts = Counter(cell.verdict for cell in self.cells)
        notes: list[Note] = ["Cells: " + ", ".join(f"{n} {verdict}" for verdict, n in counts.most_common()) + "."]
        if self.agreements:
            rankings = [
                f"{a.column}: {a.tau:+.2f} ({a.methods} rows; best in the paper {a.best_paper}, here {a.best_ours})"
                for a in self.agreements
            ]
            notes.append(Bullets("Rank agreement with the paper (Kendall's tau-b), by column:", rankings))
        if self.remarks:
            notes.append(Bullets("Remarks:", self.remarks))
        return [*notes, _LEGEND, Prose(RULE)]


def _score(score: float) -> str:
    return f"{score:.2f}"


def _our_score(cell: ComparedCell) -> str | None:
    if cell.mean is None:
        return None
    return _score(cell.mean) if cell.interval is None else f"{_score(cell.mean)} ± {_score(cell.interval)}"


_CELLS = (
    *(Column("row", align="left"), Column("column", align="left"), Column("paper", _score), Column("ours")),
    *(Column("difference", "{:+.2f}".format), Column("margin", _score), Column("seeds"), Column("last epoch", _score)),
    *(Column("% trainable", _score), Column("verdict")),
)
_CSV = tuple(
    Column(name)
    for name in (
        *("table", "profile", "protocol", "backbone", "selection", "data", "overrides", "row", "cited", "column"),
        *("paper", "ours", "half_interval_95", "difference", "sampling_error", "margin", "seeds", "final"),
        *("trainable_pct", "paper_trainable_pct", "verdict"),
    )
)


def to_text(comparison: PaperComparison) -> str:
    """Return the comparison for a terminal; cells without a run are in the overview only."""
    run = [cell for cell in comparison.cells if cell.ours]
    columns, rows = _every_cell(comparison.paper, run) if run else ((), ())
    below = Table(columns, rows, notes=comparison.notes)
    return f"{table.to_text(_overview(comparison))}\n\n{table.to_text(below)}\n"


def to_markdown(comparison: PaperComparison) -> str:
    """Return the comparison as a Markdown page."""
    every = Table(*_every_cell(comparison.paper, comparison.cells), "Every cell", comparison.notes)
    return f"{table.to_markdown(_overview(comparison), level=1)}\n\n{table.to_markdown(every, level=2)}\n"


def to_latex(comparison: PaperComparison) -> str:
    """Return the overview as a tabular of booktabs, the rest as comments above it."""
    return table.to_latex(_overview(comparison, comparison.notes))


def to_csv(comparison: PaperComparison) -> str:
    """Return one line per cell; scores in percent, absent values empty."""
    paper = comparison.paper
    rows = []
    for cell in comparison.cells:
        scores = [cell.paper, cell.mean, cell.interval, cell.difference, cell.sampling, _margin(cell)]
        place = [cell.row, cell.row in paper.cited, cell.column]
        shares = [_fixed(cell.trainable), paper.trainable.get(cell.row)]
        values = [*map(_fixed, scores), len(cell.ours), _fixed(_mean(cell.final)), *shares, cell.verdict]
        rows.append([paper.name, *comparison.setting.values(), *place, *values])
    return table.to_csv(Table(_CSV, rows))


def _overview(comparison: PaperComparison, notes: Sequence[Note] = ()) -> Table:
    """Return the table in the paper's own form, each of its rows followed by ours."""
    paper = comparison.paper
    rows: list[list[object]] = []
    for row in dict.fromkeys(cell.row for cell in comparison.cells):
        cells = [cell for cell in comparison.cells if cell.row == row]
        trainable = next((cell.trainable for cell in cells if cell.trainable is not None), None)
        rows.append([_name(paper, row), "paper", paper.trainable.get(row), *(_fixed(cell.paper) for cell in cells)])
        rows.append(["", "ours", _fixed(trainable), *map(_our_score, cells)])
    columns = [Column("method", align="left"), Column("", align="left"), Column("% trainable")]
    return Table([*columns, *map(Column, comparison.columns)], rows, comparison.title, notes)


def _every_cell(paper: PaperTable, cells: Sequence[ComparedCell]) -> tuple[Sequence[Column], list[list[object]]]:
    """Return the columns and rows of the table of single cells."""
    return _CELLS, [
        [
            *(_name(paper, cell.row), cell.column, cell.paper, _our_score(cell), cell.difference, _margin(cell)),
            *(len(cell.ours), _mean(cell.final), cell.trainable, cell.verdict),
        ]
        for cell in cells
    ]


def _name(paper: PaperTable, row: str) -> str:
    return f"{row} †" if row in paper.cited else row


def _margin(cell: ComparedCell) -> float | None:
    """Return the margin of the verdict, None where the two are different experiments."""
    return cell.margin if cell.verdict in (REPRODUCED, DIFFERS) else None


def _mean(values: Mapping[int, float]) -> float | None:
    return sum(values.values()) / len(values) if values else None


def _fixed(score: float | None) -> str | None:
    return None if score is None else _score(score)
