"""A table of the paper beside the stored runs of its cells."""

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

# what the setting of a comparison says by itself
_IN_THE_SETTING = ("protocol", "selection", "backbone")


def compare_with_paper(
    table: TableSpec, cells: list[Cell], folders: list[Path], overrides: Sequence[str]
) -> list[PaperComparison]:
    """Return the table with the runs below the folders, once for each kind of data that they were made on.

    `overrides` are those that the cells were composed with. Without a run there is one table, whose cells are empty.
    Raises RequestError for a table that is not printed.
    """
    if not is_printed(table.name):
        raise RequestError(f"{table.name} is no table that the paper prints. `frod-bench report` shows its runs.")
    paper, whole = read_paper_table(paper_dir(), table.name), load_table(table.name)
    rows = paper.rows if len(table.rows) == len(whole.rows) else tuple(table.rows)
    found, others = runs_of_cells(cells, folders)
    changes = [word for word in overrides if _changes(word)]
    comparisons = []
    for data, measured in sorted(found.items()) or [(("no run yet",), {})]:
        wanted = TableSlice(
            rows=rows,
            columns=tuple(table.columns),
            epochs=tuple(table.epochs or ()),
            whole_table=len(table.columns) == len(whole.columns),
            whole_data=len(data) == 1,
            overridden=bool(changes),
        )
        compared = compare(paper, measured, wanted)
        remarks = [*paper.remarks(), *_empty(compared), *_notes(measured), *others]
        setting = _setting(cells[0], ", ".join(data)) | {"overrides": " ".join(changes)}
        comparisons.append(PaperComparison(paper, compared, setting, rank_agreements(compared), remarks))
    return comparisons


def _changes(word: str) -> bool:
    """Return whether an override makes another experiment of the table's cells."""
    key = word.partition("=")[0]
    return effect_of(key) == EXPERIMENT and key not in _IN_THE_SETTING


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


def _empty(cells: list[ComparedCell]) -> list[str]:
    """Return what to type for an average where whole columns have no run and the others have some."""
    columns = dict.fromkeys(cell.column for cell in cells)
    run = {cell.column for cell in cells if cell.ours}
    empty = [column for column in columns if column not in run | {AVERAGE}]
    if AVERAGE not in columns or not run or not empty:
        return []
    names = ",".join(column for column in columns if column in run - {AVERAGE})
    return [f"Without a run of {' and '.join(empty)} there is no average of ours; `--tasks {names}` has one."]


def _notes(measured: RunsByCell) -> list[str]:
    """Return what the sources of the runs say of their data, and the columns whose runs are not on the same rows."""
    notes = []
    for column in dict.fromkeys(column for row in measured.values() for column in row):
        records = [run.record for row in measured.values() for run in row.get(column, [])]
        if len({str(record.data.get("fingerprint") or record.data.get("revision")) for record in records}) > 1:
            notes.append(f"{column}: the runs are not all on the same rows of data.")
        said = {"; ".join(filter(None, map(record.data.get, REMARKS))) for record in records} - {""}
        notes += [f"{column}: {note}." for note in sorted(said)]
    return notes
