"""`frod-bench report tableN`: the runs of a table of the paper beside what the paper prints."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from frod_bench.cli.cell_runs import runs_of_cells
from frod_bench.cli.cells import Cell, Preset, add_arguments, compose_cells, load_preset, restricted
from frod_bench.cli.identity import output_root
from frod_bench.cli.parser import command_parser
from frod_bench.cli.paths import paper_dir
from frod_bench.cli.runs import existing
from frod_bench.cli.written import say_written, write_texts
from frod_bench.errors import RequestError
from frod_bench.record import counting, leaves
from frod_bench.report.compare import Compared, Measured, Scope, agreement, compare
from frod_bench.report.paper import AVERAGE, read_paper_table
from frod_bench.report.paper_tables import Comparison, to_csv, to_latex, to_markdown, to_text

# overrides that make no other experiment: what the setting says of itself, where rows and weights come from, and
# how, not what, a step computes
_SAME_EXPERIMENT = ("protocol", "selection", "backbone", "task.repo", "task.config", "backbone.path")
_SAME_EXPERIMENT += ("backbone.attention", "backbone.gradient_checkpointing", "method.way", "method.recompute")
_SAME_EXPERIMENT += ("train.accumulate", "train.eval_batch_size")

_EXAMPLES = """\
examples:
  frod-bench report table4 --profile offline results/runs
  frod-bench report table4 --profile offline train.epochs=2     runs that were made with that override
  frod-bench report table2 outputs --to results/tables          also write table2_paper.md, .csv and .tex

A run belongs to a cell when its settings are those that `frod-bench table` would run there with the same overrides;
where its rows came from may differ, and runs on different data are in tables of their own.
"""


def main(argv: list[str]) -> int:
    """Print the table; with `--to`, write it as well.

    Raises RequestError for a folder that does not exist, and for what no table and no run would take.
    """
    arguments = _parser().parse_intermixed_args(argv)
    overrides = [word for word in arguments.words if "=" in word]
    folders = [existing(Path(word)) for word in arguments.words if "=" not in word]
    preset = restricted(arguments)
    cells = compose_cells(preset, arguments, overrides)
    comparisons = compare_with_paper(preset, cells, folders or [output_root()], overrides)
    print("\n\n".join(map(to_text, comparisons)), end="")
    if arguments.to is not None:
        say_written(write_texts(arguments.to, _forms(comparisons)))
    return 0


def is_printed(name: str) -> bool:
    """Return whether the paper prints the table; `figure6`, for one, it does not."""
    return (paper_dir() / f"{name}.csv").is_file()


def compare_with_paper(
    preset: Preset, cells: list[Cell], folders: list[Path], overrides: Sequence[str]
) -> list[Comparison]:
    """Return the table with the runs below the folders, once for each kind of data that they were made on.

    `overrides` are those that the cells were composed with. Without a run there is one table, whose cells are empty.
    Raises RequestError for a table that is not printed.
    """
    if not is_printed(preset.name):
        raise RequestError(f"{preset.name} is no table that the paper prints. `frod-bench report` shows its runs.")
    paper, whole = read_paper_table(paper_dir(), preset.name), load_preset(preset.name)
    rows = paper.rows if len(preset.rows) == len(whole.rows) else tuple(preset.rows)
    found, others = runs_of_cells(cells, folders)
    changes = [word for word in overrides if _changes(word)]
    comparisons = []
    for data, measured in sorted(found.items()) or [(("no run yet",), {})]:
        scope = Scope(
            rows=rows,
            columns=tuple(preset.columns),
            epochs=tuple(preset.epochs or ()),
            whole_table=len(preset.columns) == len(whole.columns),
            whole_data=len(data) == 1,
            overridden=bool(changes),
        )
        compared = compare(paper, measured, scope)
        remarks = [*paper.remarks(), *_empty(compared), *_notes(measured), *others]
        setting = _setting(cells[0], ", ".join(data)) | {"overrides": " ".join(changes)}
        comparisons.append(Comparison(paper, compared, setting, agreement(compared), remarks))
    return comparisons


def _changes(word: str) -> bool:
    """Return whether an override makes another experiment of the table's cells."""
    key, _, value = word.partition("=")
    node: object = value
    for part in reversed(key.split(".")):
        node = {part: node}
    return any(leaves(counting(node))) and key not in _SAME_EXPERIMENT and not key.startswith("data.")


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


def _empty(cells: list[Compared]) -> list[str]:
    """Return what to type for an average where whole columns have no run and the others have some."""
    columns = dict.fromkeys(cell.column for cell in cells)
    run = {cell.column for cell in cells if cell.ours}
    empty = [column for column in columns if column not in run | {AVERAGE}]
    if AVERAGE not in columns or not run or not empty:
        return []
    names = ",".join(column for column in columns if column in run - {AVERAGE})
    return [f"Without a run of {' and '.join(empty)} there is no average of ours; `--tasks {names}` has one."]


def _notes(measured: Measured) -> list[str]:
    """Return what the sources of the runs say of their data, and the columns whose runs are not on the same rows."""
    notes = []
    for column in dict.fromkeys(column for row in measured.values() for column in row):
        records = [run.record for row in measured.values() for run in row.get(column, [])]
        if len({str(record.data.get("fingerprint") or record.data.get("revision")) for record in records}) > 1:
            notes.append(f"{column}: the runs are not all on the same rows of data.")
        said = {"; ".join(filter(None, map(record.data.get, ("note", "cut")))) for record in records} - {""}
        notes += [f"{column}: {note}." for note in sorted(said)]
    return notes


def _forms(comparisons: list[Comparison]) -> dict[str, str]:
    """Return every form of every table by the name of its file."""
    forms = {"md": to_markdown, "csv": to_csv, "tex": to_latex}
    texts = {}
    for number, comparison in enumerate(comparisons, start=1):
        stem = f"{comparison.paper.name}_{comparison.setting['profile']}" + (f"_{number}" if number > 1 else "")
        texts |= {f"{stem}.{suffix}": form(comparison) for suffix, form in forms.items()}
    return texts


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "frod-bench report",
        "Show the runs of a table of the paper beside what the paper prints, with a verdict a cell.",
        _EXAMPLES,
    )
    parser.add_argument("table", choices=[f"table{n}" for n in (2, 3, 4, 5)])
    add_arguments(parser, folders=True)
    parser.add_argument("--to", type=Path, metavar="DIR", help="write TABLE_PROFILE.md, .csv and .tex into DIR")
    return parser
