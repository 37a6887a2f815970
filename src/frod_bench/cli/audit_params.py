"""`frod-bench audit params`: the trainable parameters of every row of the paper's tables, counted in five ways."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from frod_bench.cli.parser import command_parser
from frod_bench.cli.written import say_written, write_texts
from frod_bench.config.paths import paper_dir
from frod_bench.console import show
from frod_bench.report.table import Column, Table, to_csv, to_markdown, to_text

if TYPE_CHECKING:
    from frod_bench.audit.params import ParameterCount

_COUNT, _SHARE = "{:,}".format, "{:.3f}".format
_COLUMNS = {
    "table": Column("table", align="left"),
    "row": Column("row", align="left"),
    "backbone": Column("backbone", align="left"),
    "settings": Column("settings", align="left"),
    "paper_pct": Column("paper %", "{:.2f}".format),
    "adapter": Column("adapter", _COUNT),
    "head": Column("head", _COUNT),
    "pct_backbone": Column("% of backbone", _SHARE),
    "pct_with_adapter": Column("% of backbone + adapter", _SHARE),
    "pct_head": Column("with head, % of backbone", _SHARE),
    "pct_head_with_adapter": Column("with head, % of all", _SHARE),
    "pct_goat": Column("% of GOAT's formula", _SHARE),
    "note": Column("note", align="left"),
}
_LEGEND = """\
Closed forms over the shapes of the backbones; no weight is read. The head is a classifier's: 196 classes (Cars) for
CLIP, 2 for the others. GOAT's formula (its App. H) is the denominator of the rows that the paper cites from it."""


def main(argv: list[str]) -> int:
    """Print the table; with `--to`, write it as well. Raises RequestError when it cannot be written."""
    arguments = _parser().parse_args(argv)
    from frod_bench.audit.params import count_parameters, unexplained  # torch takes seconds

    rows = count_parameters(paper_dir() / "params.csv")
    on_terminal = [name for name in _COLUMNS if name != "note"]  # the notes are too long for it
    show(f"{_LEGEND}\n\n{to_text(_table(rows, on_terminal))}\n\n{_summary(rows, unexplained(rows))}")
    if arguments.to is not None:
        markdown = f"{_LEGEND}\n\n{to_markdown(_table(rows, list(_COLUMNS)))}\n"
        say_written(write_texts(arguments.to, {"params.csv": _csv(rows), "params.md": markdown}))
    return 0


def _table(rows: "list[ParameterCount]", names: list[str]) -> Table:
    values = [[getattr(row, name) for name in names] for row in rows]
    return Table([_COLUMNS[name] for name in names], values, absent="")


def _summary(rows: "list[ParameterCount]", without: "list[ParameterCount]") -> str:
    printed = sum(row.paper_pct is not None for row in rows)
    lines = [f"{printed - len(without)} of {printed} printed percentages agree with one of the counts. The others:"]
    return "\n".join(lines + [f"  {row.table} {row.row} {row.paper_pct:.2f}: {row.note}" for row in without])


def _csv(rows: "list[ParameterCount]") -> str:
    values = [[getattr(row, name) for name in _COLUMNS] for row in rows]
    rounded = [[round(value, 4) if isinstance(value, float) else value for value in row] for row in values]
    return to_csv(Table([Column(name) for name in _COLUMNS], rounded))


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "frod-bench audit params",
        "Count the trainable parameters of every row of Tables 2 to 4 in five ways, and show the percentages that the"
        " paper prints beside them.",
    )
    parser.add_argument("--to", type=Path, metavar="DIR", help="write params.md and params.csv into DIR")
    return parser
