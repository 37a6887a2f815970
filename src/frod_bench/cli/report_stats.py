"""`frod-bench report stats`: intervals, paired tests, ranks and the cost of convergence."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from frod_bench.cli.parser import command_parser
from frod_bench.cli.runs import add_folders, read_summary
from frod_bench.cli.written import say_written, write_texts
from frod_bench.console import show
from frod_bench.errors import RequestError, did_you_mean

if TYPE_CHECKING:
    from frod_bench.report.summary import Summary

_EXAMPLES = """\
examples:
  frod-bench report stats outputs
  frod-bench report stats outputs --baseline lora --margin 1.5
  frod-bench report stats results/runs --to results/tables   also write statistics.md and one CSV per kind of table
"""


def main(argv: list[str]) -> int:
    """Print the statistics of the runs below the folders; with `--to`, write them as well."""
    arguments = _parser().parse_intermixed_args(argv)
    if not 0 < arguments.margin < 100:
        raise RequestError(
            f"--margin {arguments.margin:g} is not accepted: a number of points above 0 and below 100 is."
        )
    summary = read_summary(arguments.folders)
    from frod_bench.report.statistics_tables import statistics, to_csv, to_markdown, to_text  # scipy takes a second

    if not summary.sections:
        raise RequestError("No run there is complete, so there are no statistics.")
    computed = statistics(summary, arguments.margin / 100, _checked(arguments.baseline, summary))
    show(to_text(computed), end="")
    if arguments.to is not None:
        texts = {"statistics.md": to_markdown(computed)}
        texts |= {f"statistics_{name}.csv": text for name, text in to_csv(computed).items()}
        say_written(write_texts(arguments.to, texts))
    return 0


def _checked(baseline: str | None, summary: "Summary") -> str | None:
    """Return the name of a method that has runs, or None. Raises RequestError for another name."""
    methods = {row.method_only for section in summary.sections for row in section.rows}
    if baseline is not None and baseline not in methods:
        raise RequestError(f"--baseline {baseline} has no complete run there. {did_you_mean(baseline, methods)}")
    return baseline


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "frod-bench report stats",
        "Compute the mean, standard deviation and bootstrap interval of every method and task; judge FRoD against each"
        " baseline on the same evaluation rows and seeds (better, worse, equivalent or undecided); where predictions"
        " are missing, compare their scores by a permutation test; rank the methods; and report the epochs, seconds and"
        " FLOPs to reach 95 % and 99 % of full fine-tuning's best score. Of runs with tuned rates: what each score's"
        " search cost, what fewer trials would have found, and whether FRoD reaches full fine-tuning's level first.",
        _EXAMPLES,
    )
    add_folders(parser)
    help_margin = "points within which two methods count as equivalent (default: 1)"
    parser.add_argument("--margin", type=float, default=1.0, metavar="POINTS", help=help_margin)
    help_baseline = "compare every method with this one in the paired verdicts (default: FRoD with every other)"
    parser.add_argument("--baseline", metavar="METHOD", help=help_baseline)
    parser.add_argument("--to", type=Path, metavar="DIR", help="write statistics.md and the CSV files into DIR")
    return parser
