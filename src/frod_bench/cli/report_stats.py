"""`frod-bench report stats`: intervals, paired tests, ranks and the cost of convergence."""

import argparse
from pathlib import Path

from frod_bench.cli.parser import command_parser
from frod_bench.cli.runs import add_folders, read_summary
from frod_bench.cli.written import say_written, write_texts
from frod_bench.console import show
from frod_bench.errors import RequestError

_EXAMPLES = """\
examples:
  frod-bench report stats outputs
  frod-bench report stats results/runs --to results/tables   also write statistics.md and one CSV per kind of table
"""


def main(argv: list[str]) -> int:
    """Print the statistics of the runs below the folders; with `--to`, write them as well."""
    arguments = _parser().parse_intermixed_args(argv)
    summary = read_summary(arguments.folders)
    from frod_bench.report.statistics_tables import statistics, to_csv, to_markdown, to_text  # scipy takes a second

    if not summary.sections:
        raise RequestError("No run there is complete, so there are no statistics.")
    computed = statistics(summary)
    show(to_text(computed), end="")
    if arguments.to is not None:
        texts = {"statistics.md": to_markdown(computed)}
        texts |= {f"statistics_{name}.csv": text for name, text in to_csv(computed).items()}
        say_written(write_texts(arguments.to, texts))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "frod-bench report stats",
        "Compute the mean, standard deviation and bootstrap interval of every method and task; compare FRoD with each"
        " baseline on the same seeds by a permutation test; rank the methods; and report the epochs, seconds and FLOPs"
        " to reach 95 % and 99 % of full fine-tuning's best score.",
        _EXAMPLES,
    )
    add_folders(parser)
    parser.add_argument("--to", type=Path, metavar="DIR", help="write statistics.md and the CSV files into DIR")
    return parser
