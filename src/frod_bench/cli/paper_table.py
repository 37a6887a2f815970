"""`frod-bench report tableN`: the runs of a table of the paper beside what the paper prints."""

import argparse
from collections import defaultdict
from pathlib import Path
from typing import Any

import yaml

from frod_bench.cli.cells import Cell, Preset, add_arguments, compose_cells, load_preset, restricted
from frod_bench.cli.identity import counting, output_root
from frod_bench.cli.paths import paper_dir
from frod_bench.cli.written import say_written, write_texts
from frod_bench.errors import RequestError
from frod_bench.record import RunDirectory, StoredRun, config_hash, find_records
from frod_bench.report.compare import Measured, Scope, agreement, compare
from frod_bench.report.paper import read_paper_table
from frod_bench.report.paper_tables import Comparison, to_csv, to_latex, to_markdown, to_text

_EXAMPLES = """\
examples:
  frod-bench report table4 --profile offline results/runs
  frod-bench report table4 --profile offline train.epochs=2     runs that were made with that override
  frod-bench report table2 outputs --to results/tables          also write table2_paper.md, .csv and .tex

A run belongs to a cell when its settings are those that `frod-bench table` would run there with the same overrides;
where its rows came from may differ, and runs on different data are in tables of their own.
"""
# what may differ between a run and its cell: where the rows and the weights come from
_SOURCES = ("data.", "task.repo", "task.config", "backbone.path", "seed")


def main(argv: list[str]) -> int:
    """Print the table; with `--to`, write it as well. Raises RequestError."""
    arguments = _parser().parse_intermixed_args(argv)
    overrides = [word for word in arguments.words if "=" in word]
    folders = [Path(word) for word in arguments.words if "=" not in word]
    preset = restricted(arguments)
    cells = compose_cells(preset, arguments, overrides)
    comparisons = compare_with_paper(preset, cells, folders or [output_root()])
    print("\n\n".join(map(to_text, comparisons)), end="")
    if arguments.to is not None:
        say_written(write_texts(arguments.to, _forms(comparisons)))
    return 0


def is_printed(name: str) -> bool:
    """Return whether the paper prints the table; `figure6`, for one, it does not."""
    return (paper_dir() / f"{name}.csv").is_file()


def compare_with_paper(preset: Preset, cells: list[Cell], folders: list[Path]) -> list[Comparison]:
    """Return the table with the runs below the folders, once for each kind of data that they were made on.

    Without a run there is one table, whose cells are empty. Raises RequestError for a table that is not printed.
    """
    if not is_printed(preset.name):
        raise RequestError(f"{preset.name} is no table that the paper prints. `frod-bench report` shows its runs.")
    paper, whole = read_paper_table(paper_dir(), preset.name), load_preset(preset.name)
    rows = paper.rows if len(preset.rows) == len(whole.rows) else tuple(preset.rows)
    found, others = _sort(_read(folders, cells), cells)
    comparisons = []
    for data, measured in sorted(found.items()) or [("no run yet", {})]:
        scope = Scope(
            rows=rows,
            columns=tuple(preset.columns),
            epochs=tuple(preset.epochs or ()),
            whole_table=len(preset.columns) == len(whole.columns),
            whole_data=data.partition(",")[1] == "",
        )
        compared = compare(paper, measured, scope)
        remarks = [*paper.remarks(), *_notes(measured), *others]
        comparisons.append(Comparison(paper, compared, _setting(cells[0], data), agreement(compared), remarks))
    return comparisons


def _read(folders: list[Path], cells: list[Cell]) -> list[tuple[StoredRun, dict[str, Any]]]:
    """Return the completed runs of the cells' methods, tasks and profile, each with its configuration."""
    wanted = {tuple(cell.config[part]["name"] for part in ("profile", "method", "task")) for cell in cells}
    runs = {}
    for folder in folders:
        if not folder.is_dir():
            continue
        for run in find_records(folder).runs:
            record = run.record
            if record.status == "completed" and (record.profile, record.method, record.task) in wanted:
                runs[run.path.resolve()] = run
    return [(run, _config(run)) for run in runs.values()]


def _config(run: StoredRun) -> dict[str, Any]:
    directory = RunDirectory(run.path)
    try:
        content = yaml.safe_load(directory.read_config())
    except yaml.YAMLError as error:
        raise RequestError(f"{directory.config} is broken: it is not YAML.") from error
    if not isinstance(content, dict):
        raise RequestError(f"{directory.config} is broken: it is not a configuration.")
    return content


def _sort(runs: list[tuple[StoredRun, dict[str, Any]]], cells: list[Cell]) -> tuple[dict[str, Measured], list[str]]:
    """Return the runs of the cells by kind of data, row and column, and a remark on those that belong to none."""
    places = {_key(cell.config): (cell.row, cell.column) for cell in cells}
    seeds = {cell.config["seed"] for cell in cells}
    found: dict[str, Measured] = {}
    odd: dict[str, int] = defaultdict(int)
    for run, config in runs:
        place = places.get(_key(config))
        if place is None:
            odd[", ".join(_nearest(config, cells))] += 1
        elif run.record.seed in seeds:
            row, column = place
            found.setdefault(_data(config), {}).setdefault(row, {}).setdefault(column, []).append(run)
    remarks = [
        f"{n} runs of these methods and tasks are in no cell, as they differ from the table in {keys}."
        for keys, n in odd.items()
    ]
    return found, remarks


def _counting(config: dict[str, Any]) -> dict[str, Any]:
    """Return what of a configuration tells which cell it is, as dotted keys."""
    return {key: value for key, value in counting(config).items() if not key.startswith(_SOURCES)}


def _key(config: dict[str, Any]) -> str:
    return config_hash(_counting(config))


def _nearest(config: dict[str, Any], cells: list[Cell]) -> list[str]:
    """Return the keys in which a configuration differs from the cell of its method and task that is nearest."""
    own = _counting(config)
    same = [
        _counting(cell.config)
        for cell in cells
        if all(cell.config[part]["name"] == config[part]["name"] for part in ("method", "task"))
    ]
    differing = [[key for key in sorted(own | other) if own.get(key) != other.get(key)] for other in same]
    return min(differing, key=len)


def _data(config: dict[str, Any]) -> str:
    """Return the kind of data in words: its source, then the limits that cut it."""
    data = config["data"]
    limits = [f"{key} {data[key]}" for key in ("max_train", "max_eval") if data.get(key) is not None]
    return ", ".join([data["source"], *limits])


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


def _notes(measured: Measured) -> list[str]:
    """Return what the sources of the runs say of their data, and the columns whose runs are not on the same rows."""
    notes = []
    for column in dict.fromkeys(column for row in measured.values() for column in row):
        records = [run.record for row in measured.values() for run in row.get(column, [])]
        if len({str(record.data.get("fingerprint") or record.data.get("revision")) for record in records}) > 1:
            notes.append(f"{column}: the runs are not all on the same rows of data.")
        notes += [f"{column}: {note}." for note in sorted({record.data.get("note", "") for record in records} - {""})]
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
    parser = argparse.ArgumentParser(
        prog="frod-bench report",
        description="Show the runs of a table of the paper beside what the paper prints, with a verdict a cell.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("table", choices=[f"table{n}" for n in (2, 3, 4, 5)])
    add_arguments(parser, "FOLDER|OVERRIDE")
    parser.add_argument("--to", type=Path, metavar="DIR", help="write TABLE_PROFILE.md, .csv and .tex into DIR")
    return parser
