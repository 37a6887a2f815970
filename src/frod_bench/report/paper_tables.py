"""A comparison with a table of the paper as text: for the terminal, as Markdown, CSV and LaTeX."""

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from frod_bench.escape import csv_cell, one_line
from frod_bench.report.compare import DIFFERS, REPRODUCED, RULE, Agreement, Compared
from frod_bench.report.layout import Layout, lay_out, words
from frod_bench.report.paper import PaperTable
from frod_bench.report.tables import ABSENT, wrapped

_HEADERS = ("row", "column", "paper", "ours", "difference", "margin", "seeds", "last epoch", "% trainable", "verdict")
_CSV = (
    "table", "profile", "protocol", "backbone", "selection", "data", "overrides", "row", "cited", "column", "paper",
    "ours", "half_interval_95", "difference", "sampling_error", "margin", "seeds", "final", "trainable_pct",
    "paper_trainable_pct", "verdict",
)  # fmt: skip
_LEGEND = (
    "Scores in percent. ours: at the epoch that the selection takes, the last one with selection=last, else the best by"
    " the rows that it judges by (a column that names an epoch: at that one), mean over the seeds ± half of a 95 %"
    " interval, which one seed does not have. margin: see the verdict. last epoch: the same runs at their end."
    " % trainable: adapters without the head over the backbone; the paper counts in other ways (`frod-bench audit"
    " params`). Average: over the columns shown, the paper's computed again from its own."
)
_LATEX = {"±": r"$\pm$", "†": r"$^\dagger$", "Σ": r"$\Sigma$", "—": "---"}


@dataclass(frozen=True)
class Comparison:
    """One table: the paper's, our cells, and what both were made under."""

    paper: PaperTable
    cells: list[Compared]
    setting: dict[str, str]  # profile, protocol, backbone, selection, data, overrides; empty where there is none
    agreements: list[Agreement]
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


def to_text(comparison: Comparison) -> str:
    """Return the comparison for a terminal; the cells without a run are in the overview only."""
    run = [cell for cell in comparison.cells if cell.ours]
    cells = [_cells(comparison, run, "simple")] if run else []
    blocks = [one_line(comparison.title), _overview(comparison, "simple"), *cells]
    return "\n\n".join([*blocks, *map(wrapped, _words(comparison, "simple"))]) + "\n"


def to_markdown(comparison: Comparison) -> str:
    """Return the comparison as a Markdown page."""
    every = _cells(comparison, comparison.cells, "github")
    blocks = [f"# {words(comparison.title, 'github')}", _overview(comparison, "github"), "## Every cell", every]
    return "\n\n".join([*blocks, *_words(comparison, "github")]) + "\n"


def to_latex(comparison: Comparison) -> str:
    """Return the overview as a tabular of booktabs, the rest as comments above it."""
    comments = [f"% {line}" for block in _comments(comparison) for line in block.splitlines()]
    table = _overview(comparison, "latex_booktabs")
    for sign, command in _LATEX.items():
        table = table.replace(sign, command)
    return "\n".join([*comments, table]) + "\n"


def to_csv(comparison: Comparison) -> str:
    """Return a line a cell; scores in percent, absent values empty."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(_CSV)
    for cell in comparison.cells:
        scores = [cell.paper, cell.mean, cell.interval, cell.difference, cell.sampling, _margin(cell)]
        writer.writerow(
            csv_cell(value)
            for value in [
                comparison.paper.name,
                *comparison.setting.values(),
                cell.row,
                cell.row in comparison.paper.cited,
                cell.column,
                *(_number(value, absent="") for value in scores),
                len(cell.ours),
                _number(_mean(cell.final), absent=""),
                _number(cell.trainable, absent=""),
                comparison.paper.trainable.get(cell.row, ""),
                cell.verdict,
            ]
        )
    return stream.getvalue()


def _comments(comparison: Comparison) -> list[str]:
    return [one_line(comparison.title), *_words(comparison, "latex_booktabs")]


def _overview(comparison: Comparison, layout: Layout) -> str:
    """Lay out the paper's own form, each of its rows followed by ours."""
    paper, columns = comparison.paper, comparison.columns
    rows = []
    for row in dict.fromkeys(cell.row for cell in comparison.cells):
        cells = [cell for cell in comparison.cells if cell.row == row]
        trainable = next((cell.trainable for cell in cells if cell.trainable is not None), None)
        printed = str(paper.trainable.get(row, "")) or ABSENT
        rows.append([_name(paper, row), "paper", printed, *(_number(cell.paper) for cell in cells)])
        rows.append(["", "ours", _number(trainable), *(_ours(cell) for cell in cells)])
    return _table(rows, ["method", "", "% trainable", *columns], layout, left=2)


def _cells(comparison: Comparison, cells: Sequence[Compared], layout: Layout) -> str:
    rows = [
        [
            _name(comparison.paper, cell.row),
            cell.column,
            _number(cell.paper),
            _ours(cell),
            _number(cell.difference, "+.2f"),
            _number(_margin(cell)),
            str(len(cell.ours)),
            _number(_mean(cell.final)),
            _number(cell.trainable),
            cell.verdict,
        ]
        for cell in cells
    ]
    return _table(rows, _HEADERS, layout, left=2)


def _words(comparison: Comparison, layout: Layout) -> list[str]:
    """Return what stands below the tables: verdicts counted, rankings, remarks and the legend."""
    counts = Counter(cell.verdict for cell in comparison.cells)
    blocks = ["Cells: " + ", ".join(f"{n} {verdict}" for verdict, n in counts.most_common()) + "."]
    if comparison.agreements:
        lines = [
            f"{a.column}: {a.tau:+.2f} ({a.methods} rows; best in the paper {a.best_paper}, here {a.best_ours})"
            for a in comparison.agreements
        ]
        blocks.append(
            "Agreement of our ranking of the rows with the paper's, Kendall's tau-b:\n" + _bullets(lines, layout)
        )
    if comparison.remarks:
        blocks.append("Remarks:\n" + _bullets(comparison.remarks, layout))
    return [*blocks, _LEGEND, RULE]


def _bullets(lines: Sequence[str], layout: Layout) -> str:
    return "\n" + "\n".join(f"- {words(line, layout)}" for line in lines)


def _table(rows: Sequence[Sequence[str]], headers: Sequence[str], layout: Layout, left: int) -> str:
    return lay_out(rows, headers, layout, [place >= left for place in range(len(headers))])


def _name(paper: PaperTable, row: str) -> str:
    return f"{row} †" if row in paper.cited else row


def _ours(cell: Compared) -> str:
    return _number(cell.mean) if cell.interval is None else f"{_number(cell.mean)} ± {_number(cell.interval)}"


def _margin(cell: Compared) -> float | None:
    """Return the margin of a verdict; where the two are different experiments there is none."""
    return cell.margin if cell.verdict in (REPRODUCED, DIFFERS) else None


def _mean(values: dict[int, float]) -> float | None:
    return sum(values.values()) / len(values) if values else None


def _number(value: float | None, form: str = ".2f", absent: str = ABSENT) -> str:
    return absent if value is None else format(value, form)
