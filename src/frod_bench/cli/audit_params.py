"""`frod-bench audit params`: the trainable parameters of every row of the paper's tables, counted five ways."""

import argparse
import csv
from dataclasses import asdict, fields
from io import StringIO
from pathlib import Path

from tabulate import tabulate

from frod_bench.audit.params import ParameterCount, count_parameters, unexplained
from frod_bench.cli.parser import command_parser
from frod_bench.cli.written import say_written, write_texts
from frod_bench.config.paths import paper_dir
from frod_bench.console import show

_HEADERS = {
    "table": "table",
    "row": "row",
    "backbone": "backbone",
    "settings": "settings",
    "paper_pct": "paper %",
    "adapter": "adapter",
    "head": "head",
    "pct_backbone": "% of backbone",
    "pct_with_adapter": "% of backbone + adapter",
    "pct_head": "with head, % of backbone",
    "pct_head_with_adapter": "with head, % of all",
    "pct_goat": "% of GOAT's formula",
    "note": "note",
}
_LEGEND = """\
Closed forms over the shapes of the backbones; no weight is read. The head is a classifier's: 196 classes (Cars) for
CLIP, 2 for the others. GOAT's formula (its App. H) is the denominator of the rows that the paper cites from it."""


def main(argv: list[str]) -> int:
    """Print the table; with `--to`, write it as well. Raises RequestError when it cannot be written."""
    arguments = _parser().parse_args(argv)
    rows = count_parameters(paper_dir() / "params.csv")
    show(f"{_LEGEND}\n\n{_table(rows, 'simple')}\n\n{_summary(rows)}")
    if arguments.to is not None:
        texts = {"params.csv": _csv(rows), "params.md": f"{_LEGEND}\n\n{_table(rows, 'github')}\n"}
        say_written(write_texts(arguments.to, texts))
    return 0


def _table(rows: list[ParameterCount], style: str) -> str:
    """Return the rows as text; the long notes stand in the files only."""
    leave_out = {"note"} if style == "simple" else set()
    names = [field.name for field in fields(ParameterCount) if field.name not in leave_out]
    body = [[_cell(name, getattr(row, name)) for name in names] for row in rows]
    align = ["right" if name not in ("table", "row", "backbone", "settings", "note") else "left" for name in names]
    return tabulate(body, [_HEADERS[name] for name in names], tablefmt=style, disable_numparse=True, colalign=align)


def _cell(name: str, value: object) -> str:
    if value is None:
        return ""
    if name in ("adapter", "head"):
        return f"{value:,}"
    digits = 2 if name == "paper_pct" else 3
    return f"{value:.{digits}f}" if isinstance(value, float) else str(value)


def _summary(rows: list[ParameterCount]) -> str:
    odd = unexplained(rows)
    printed = sum(row.paper_pct is not None for row in rows)
    lines = [f"{printed - len(odd)} of {printed} printed percentages agree with one of the countings. The others:"]
    return "\n".join(lines + [f"  {row.table} {row.row} {row.paper_pct:.2f}: {row.note}" for row in odd])


def _csv(rows: list[ParameterCount]) -> str:
    text = StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(ParameterCount)], lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(row).items()} for row in rows)
    return text.getvalue()


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "frod-bench audit params",
        "Count the trainable parameters of every row of Tables 2 to 4 in five ways, beside the percentages that the"
        " paper prints.",
    )
    parser.add_argument("--to", type=Path, metavar="DIR", help="write params.md and params.csv into DIR")
    return parser
