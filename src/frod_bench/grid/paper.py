"""A table of the paper compared with the stored runs of its cells."""

from collections.abc import Sequence
from pathlib import Path

from frod_bench.config.paths import paper_dir
from frod_bench.errors import RequestError
from frod_bench.grid.cells import Cell
from frod_bench.grid.stored_runs import runs_of_cells
from frod_bench.grid.tables import TableSpec, is_printed, load_table
from frod_bench.record import REMARKS
from frod_bench.record.identity import EXPERIMENT, effect_of
from frod_bench.report.compare import ComparedCell, RunsByCell, TableSlice, compare, rank_agreements
from frod_bench.report.paper import AVERAGE, read_paper_table
from frod_bench.report.paper_tables import PaperComparison

# overrides that the title of a comparison shows anyway
_IN_THE_TITLE = ("protocol", "selection", "backbone")


def compare_with_paper(
    table: TableSpec, cells: list[Cell], folders: list[Path], overrides: Sequence[str]
) -> list[PaperComparison]:
    """Return one comparison for each kind of data that the runs below the folders were made on.

    `overrides` are those that the cells were composed with. Without a run there is one comparison with empty cells.
    Raises RequestError for a table that the paper does not print.
    """
    if not is_printed(table.name):
        raise RequestError(f"{table.name} is not a table that the paper prints. `frod-bench report` shows its runs.")
    paper, whole = read_paper_table(paper_dir(), table.name), load_table(table.name)
    rows = paper.rows if len(table.rows) == len(whole.rows) else tuple(table.rows)
    runs_on, others = runs_of_cells(cells, folders)
    changes = [word for word in overrides if _changes(word)]
    comparisons = []
    for data, runs in sorted(runs_on.items()) or [(("no run yet",), {})]:
        wanted = TableSlice(
            rows=rows,
            columns=tuple(table.columns),
            epochs=tuple(table.epochs or ()),
            whole_table=len(table.columns) == len(whole.columns),
            whole_data=len(data) == 1,
            overridden=bool(changes),
        )
        compared = compare(paper, runs, wanted)
        remarks = [*paper.remarks(), *_empty_columns(compared), *_data_remarks(runs), *others]
        setting = _setting(cells[0], ", ".join(data)) | {"overrides": " ".join(changes)}
        comparisons.append(PaperComparison(paper, compared, setting, rank_agreements(compared), remarks))
    return comparisons


def _changes(word: str) -> bool:
    """Return whether an override changes the experiment of the table's cells."""
    key = word.partition("=")[0]
    return effect_of(key) == EXPERIMENT and key not in _IN_THE_TITLE


def _setting(cell: Cell, data: str) -> dict[str, str]:
    config = cell.config
    names = {key: config[key]["name"] for key in ("profile", "backbone")}
    return {
        "profile": names["profile"],
        "protocol": config["protocol"],
        "backbone": names["backbone"],
        "selection": config["selection"],
        "data": data,
    }


def _empty_columns(cells: list[ComparedCell]) -> list[str]:
    """Return what to type to get an average, where some columns have runs and others have none."""
    columns = dict.fromkeys(cell.column for cell in cells)
    run = {cell.column for cell in cells if cell.ours}
    empty = [column for column in columns if column not in run | {AVERAGE}]
    if AVERAGE not in columns or not run or not empty:
        return []
    names = ",".join(column for column in columns if column in run - {AVERAGE})
    return [f"Without a run of {' and '.join(empty)} there is no average of ours; `--tasks {names}` has one."]


def _data_remarks(runs: RunsByCell) -> list[str]:
    """Return the remarks on the data of the runs, and the columns whose runs are not on the same rows."""
    remarks = []
    for column in dict.fromkeys(column for row in runs.values() for column in row):
        records = [run.record for row in runs.values() for run in row.get(column, [])]
        if len({str(record.data.get("fingerprint") or record.data.get("revision")) for record in records}) > 1:
            remarks.append(f"{column}: the runs are not all on the same rows of data.")
        of_source = {"; ".join(filter(None, map(record.data.get, REMARKS))) for record in records} - {""}
        remarks += [f"{column}: {remark}." for remark in sorted(of_source)]
    return remarks
