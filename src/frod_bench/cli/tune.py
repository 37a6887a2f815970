"""`frod-bench tune`: find each method's learning rates with the same number of trials, on held-out training rows."""

import argparse
import math

from tabulate import tabulate

from frod_bench.cli.parser import command_parser
from frod_bench.cli.table_arguments import named_table
from frod_bench.cli.tune_arguments import add_search_arguments, requested_arms, requested_search
from frod_bench.config.catalogue import choices
from frod_bench.config.old_names import current_override
from frod_bench.config.tuned import read_tuned, tuned_file
from frod_bench.console import show
from frod_bench.errors import RequestError
from frod_bench.grid.search import Search
from frod_bench.grid.tune import TRIAL_SEED, Arm, tune

_EXAMPLES = """\
examples:
  frod-bench plan tune --profile offline --methods frod,lora,full_ft --tasks glue/sst2,glue/mrpc     hours, first
  frod-bench tune --profile offline --methods frod,lora,full_ft --tasks glue/sst2,glue/mrpc --trials 7 --jobs 2
  frod-bench tune 4 --profile offline data.root=DIR data.max_train=1000 data.holdout=500     the rows of Table 4
  frod-bench tune --methods frod,lora --tasks glue/rte --trials 8 --axis frod:sparse=0.3,1
  frod-bench method=frod task=glue/sst2 profile=offline protocol=fair     a run with the tuned rates

Every method gets the same number of trials. A trial is the recipe's rates times a multiplier: with 7 trials and 2 per
decade 0.032, 0.1, 0.32, 1, 3.2, 10 and 32. A trial trains like a run, is scored after every epoch on rows that are held
out of the training rows (data.holdout, else a tenth), and never reads the evaluation rows. A trial that diverges
counts as a trial. Rates belong to one backbone, task, number of rows and set of options.

Trials are runs: complete ones are not run again, Ctrl-C lets the running one write a checkpoint, and the same command
goes on. The rates go to FROD_BENCH_OUT/tuned, with all trials.
"""


def main(argv: list[str]) -> int:
    """Run the missing trials and print the rates; return 1 when a trial failed other than by diverging, else 0."""
    arguments = _parser().parse_intermixed_args(argv)
    if arguments.jobs < 1:
        raise RequestError(f"--jobs {arguments.jobs} is not accepted: a whole number of 1 or more is.")
    arms = requested_arms(named_table(arguments, "tune"), arguments, arguments.seeds)
    return 1 if run_search(arms, requested_search(arguments), arguments.jobs) else 0


def run_search(arms: list[Arm], search: Search, jobs: int) -> bool:
    """Run the missing trials, print the rates of every arm, and return whether a trial failed."""
    failed = tune(arms, search, jobs)
    for arm in arms:
        show("\n" + _in_words(arm))
    if failed:
        show(f"\n{len(failed)} trials failed; the same command tries them again:")
        for cell, outcome in failed:
            show(f"  {cell}: {outcome.reason} (exit code {outcome.code})")
    return bool(failed)


def _in_words(arm: Arm) -> str:
    """Return the trials of an arm as a table, with what was chosen and whether the grid was wide enough."""
    file = tuned_file(arm.cells[0].config)
    if any(trial.completed() is None for _, trials in arm.trials for trial in trials):
        return f"{arm}: not tuned, as a trial failed."
    tried = arm.tried()
    if all(t.score == -math.inf for t in tried):
        return f"{arm}: not tuned, as every trial diverged. Lower the recipe's rates, or raise --per-decade."
    tuned = read_tuned(file)
    body = [
        [*point, "diverged" if score == -math.inf else f"{score:.4f}", "chosen" if place == tuned.chosen else ""]
        for place, (score, point) in enumerate(
            (t.score, [str(t.point), *(f"{rate:.3g}" for rate in trial["lr"].values())])
            for t, trial in zip(tried, tuned.trials, strict=True)
        )
    ]
    rows = f"{tuned.samples['train']:,} training rows, {tuned.samples['holdout']:,} held out"
    lines = [f"{arm}: {rows} -> {file}", tabulate(body, ["trial", *tuned.lr, tuned.metric, ""], disable_numparse=True)]
    if tuned.at_end:
        lines.append(
            f"warning: the best multiplier is the {tuned.at_end} that was tried, so a better one may lie beyond it."
            " Add --extend 1 for two more trials of every method."
        )
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "frod-bench tune",
        "Find each method's learning rates with the same number of trials, scored on held-out training rows, for"
        " runs and tables with protocol=fair.",
        _EXAMPLES,
    )
    add = parser.add_argument
    add("--profile", default="paper", choices=choices("profile"), help="default: paper")
    add("--methods", metavar="M,…", help="as in method=, or rows of the table")
    add("--tasks", metavar="T,…", help="as in task=, or columns of the table")
    add("--seeds", default=TRIAL_SEED, metavar="N,…", help=f"seeds of every trial (default: {TRIAL_SEED})")
    add("--jobs", type=int, default=1, metavar="N", help="trials to run at a time (default: 1)")
    add_search_arguments(parser)
    words = "a table in configs/sweep/, and overrides for every trial, such as data.root=DIR data.holdout=500"
    add("words", nargs="*", default=[], type=current_override, metavar="TABLE|OVERRIDE", help=words)
    return parser
