"""`frod-bench report html`: stored runs as one self-contained page."""

import argparse
from pathlib import Path

from frod_bench.cli.parser import command_parser
from frod_bench.cli.runs import add_folders, read_summary
from frod_bench.cli.written import write_texts
from frod_bench.console import show
from frod_bench.errors import RequestError

_EXAMPLES = """\
examples:
  frod-bench report html outputs --to report.html
  frod-bench report html results/runs/glue_offline --title "GLUE, offline" --to glue.html
"""


def main(argv: list[str]) -> int:
    """Write the page and print its path."""
    arguments = _parser().parse_intermixed_args(argv)
    if arguments.to.is_dir():
        raise RequestError(f"--to {arguments.to} is a folder. Give the file: --to {arguments.to / 'report.html'}")
    summary = read_summary(arguments.folders)
    from frod_bench.report.html.page import page  # scipy takes a second

    title = arguments.title or f"frod-bench: {', '.join(map(str, arguments.folders))}"
    write_texts(arguments.to.parent, {arguments.to.name: page(summary, title)})
    show(f"written: {arguments.to}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "frod-bench report html",
        "Write one HTML file that needs no network: a summary with the best method of every task and the verdicts"
        " against the others, tables that sort and filter, learning curves, score against parameters, time and memory"
        " with intervals, tan alpha by epoch and layer, the differences between two runs, and the environment.",
        _EXAMPLES,
    )
    add_folders(parser)
    parser.add_argument("--to", type=Path, required=True, metavar="FILE", help="the HTML file to write")
    parser.add_argument("--title", help="its heading (default: the folders)")
    return parser
