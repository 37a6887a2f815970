"""`frod-bench merge`: merge the runs of several tasks into one backbone, and score it on every task."""

import argparse
from pathlib import Path

from frod_bench.cli.parser import command_parser
from frod_bench.cli.written import check_folder
from frod_bench.console import show
from frod_bench.errors import RequestError

HOWS = ("average", "task_arithmetic", "ties", "dare", "lori_cat", "lori_linear")
_EXAMPLES = """\
examples:
  frod-bench merge RUN RUN RUN --how task_arithmetic --scales 0.1,0.2,0.3,0.4,0.5 --to merged
  frod-bench merge RUN RUN --how ties --density 0.2 --scale 1 --to merged
  frod-bench merge RUN RUN --how dare --draws 5 --to merged

The update W' - W of each run, whatever its method, is merged layer by layer; every task keeps the head of its own run.
Several scales are judged on the training rows that the runs held out (selection=holdout); evaluation rows choose
nothing. The folder gets the changed weights as shards, the heads, the predictions and merge.json with the scores.
"""


def main(argv: list[str]) -> int:
    """Merge, write and print the scores. Raises RequestError for runs or values that cannot be merged."""
    arguments = _parser().parse_args(argv)
    scales = _scales(arguments)
    if arguments.density is not None and arguments.how not in ("ties", "dare"):
        raise RequestError(f"--density is not accepted with --how {arguments.how}: it drops no entries.")
    if arguments.density is not None and not 0 < arguments.density <= 1:
        raise RequestError(f"--density {arguments.density} is not accepted: the share of kept entries lies in (0, 1].")
    if arguments.seed < 0:
        raise RequestError(f"--seed {arguments.seed} is not accepted: a whole number of 0 or more is.")
    if arguments.draws < 1:
        raise RequestError(f"--draws {arguments.draws} is not accepted: a whole number of 1 or more is.")
    if arguments.draws > 1 and arguments.how != "dare":
        raise RequestError(f"--draws is not accepted with --how {arguments.how}: it draws nothing at random.")
    check_folder(arguments.to)
    from frod_bench.report import merges, table  # these imports take seconds, and a refusal needs none of them
    from frod_bench.runs.merge import MergeRequest, merge_runs
    from frod_bench.runs.progress_bars import hide_progress_bars_in_logs

    hide_progress_bars_in_logs()
    request = MergeRequest(arguments.how, scales, arguments.density, arguments.seed, arguments.draws)
    try:
        record = merge_runs(arguments.runs, request, arguments.to)
    except OSError as error:
        place = error.filename or arguments.to
        raise RequestError(f"{place} cannot be written ({error.strerror}). Give another --to.") from error
    show("\n\n".join(map(table.to_text, merges.merge_tables([record]))))
    show(f"\nmerged: {arguments.to}")
    return 0


def _scales(arguments: argparse.Namespace) -> list[float]:
    """Return the scales to try, [] for the usual one. Raises RequestError for what is no number above 0."""
    text = arguments.scale or arguments.scales or ""
    try:
        scales = [float(word) for word in text.split(",") if word]
    except ValueError:
        scales = [0.0]
    if not all(0 < scale < 100 for scale in scales) or (arguments.scale and len(scales) != 1):
        option = "--scale" if arguments.scale else "--scales"
        accepted = "a number" if arguments.scale else "numbers with commas, as in 0.1,0.3,"
        raise RequestError(f"{option} {text} is not accepted: {accepted} above 0.")
    return list(dict.fromkeys(scales))


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "frod-bench merge", "Merge runs of one backbone on several tasks, and score the result.", _EXAMPLES
    )
    add = parser.add_argument
    add("runs", nargs="+", type=Path, metavar="RUN", help="a complete run's folder, with config.yaml and adapter/")
    add("--how", choices=HOWS, required=True, help="lori_linear takes lora and lori, the others any method")
    scale = parser.add_mutually_exclusive_group()
    scale.add_argument("--scale", metavar="S", help="factor of the merged update (default: the way's usual one)")
    scale.add_argument("--scales", metavar="S,…", help="factors to choose from, on held-out training rows")
    add("--density", type=float, metavar="D", help="share of kept entries (default: 0.2 for ties, 0.1 for dare)")
    add("--seed", type=int, default=0, metavar="N", help="of the entries that dare drops (default: 0)")
    add(
        "--draws",
        type=int,
        default=1,
        metavar="N",
        help="score so many draws of dare; the first is written (default: 1)",
    )
    add("--to", type=Path, required=True, metavar="DIR", help="a new or empty folder")
    return parser
