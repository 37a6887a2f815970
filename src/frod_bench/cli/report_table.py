"""`frod-bench report tableN`: a table of the paper with our scores below the printed ones."""

import argparse
from pathlib import Path

from frod_bench.cli.parser import command_parser
from frod_bench.cli.runs import existing_folder
from frod_bench.cli.table_arguments import add_arguments, requested_table
from frod_bench.cli.written import say_written, write_texts
from frod_bench.console import show
from frod_bench.grid.cells import compose_cells
from frod_bench.record import output_root

_EXAMPLES = """\
examples:
  frod-bench report table4 --profile offline results/runs
  frod-bench report table4 --profile offline train.epochs=2     runs that were made with that override
  frod-bench report table2 outputs --to results/tables          also write table2_paper.md, .csv and .tex

A run belongs to a cell when its settings are those that `frod-bench table` would run there with the same overrides.
The source of its data may differ; runs on different data are in separate tables.
"""


def main(argv: list[str]) -> int:
    """Print the table; with `--to`, write it as well.

    Raises RequestError for a folder that does not exist, an unknown row or column, or an override that no cell takes.
    """
    arguments = _parser().parse_intermixed_args(argv)
    overrides = [word for word in arguments.words if "=" in word]
    folders = [existing_folder(Path(word)) for word in arguments.words if "=" not in word]
    table = requested_table(arguments)
    cells = compose_cells(table, arguments.profile, arguments.seeds, overrides)
    from frod_bench.grid.paper import compare_with_paper  # scipy takes a second
    from frod_bench.report.paper_tables import to_text

    comparisons = compare_with_paper(table, cells, folders or [output_root()], overrides)
    show("\n\n".join(map(to_text, comparisons)), end="")
    if arguments.to is not None:
        say_written(write_texts(arguments.to, _forms(comparisons)))
    return 0


def _forms(comparisons: list) -> dict[str, str]:
    """Return the text of every file to write, by its name."""
    from frod_bench.report.paper_tables import to_csv, to_latex, to_markdown

    forms = {"md": to_markdown, "csv": to_csv, "tex": to_latex}
    texts: dict[str, str] = {}
    for number, comparison in enumerate(comparisons, start=1):
        stem = f"{comparison.paper.name}_{comparison.setting['profile']}" + (f"_{number}" if number > 1 else "")
        texts |= {f"{stem}.{suffix}": form(comparison) for suffix, form in forms.items()}
    return texts


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "frod-bench report",
        "Show a table of the paper with our scores below the printed ones, and a verdict for each cell.",
        _EXAMPLES,
    )
    parser.add_argument("table", choices=[f"table{n}" for n in (2, 3, 4, 5)])
    add_arguments(parser, folders=True)
    parser.add_argument("--to", type=Path, metavar="DIR", help="write TABLE_PROFILE.md, .csv and .tex into DIR")
    return parser
