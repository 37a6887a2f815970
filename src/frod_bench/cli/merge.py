"""`frod-bench merge`: merge the runs of several tasks into one backbone, and score it on every task."""

import argparse
from pathlib import Path

from frod_bench.cli.merge_arguments import (
    HOWS,
    Group,
    Way,
    add_draws,
    check_methods,
    merge_folders,
    parsed_scales,
    requested_hows,
    requested_ways,
)
from frod_bench.cli.parser import command_parser
from frod_bench.cli.table_arguments import named_table
from frod_bench.cli.written import check_folder
from frod_bench.config.catalogue import choices
from frod_bench.config.old_names import current_override
from frod_bench.config.paths import paper_dir
from frod_bench.console import show
from frod_bench.errors import RequestError
from frod_bench.grid.tables import table_names

_EXAMPLES = """\
examples:
  frod-bench merge RUN RUN RUN --how task_arithmetic --scales 0.1,0.2,0.3,0.4,0.5 --to merged
  frod-bench merge RUN RUN --how ties --density 0.2 --scale 1 --to merged
  frod-bench merge RUN RUN --how dare --draws 5 --to merged
  frod-bench merge --profile offline --methods frod,lora --tasks glue/rte,glue/mrpc --how average,ties --to merged \\
      selection=holdout data.root=DIR                    train what is missing, then merge each method's runs
  frod-bench merge merge_clip --how average,ties --to merged       CLIP ViT-B/32 on eight tasks, beside published rows

The update W' - W of each run, whatever its method, is merged layer by layer; every task keeps the head of its own run.
Several scales are judged on the training rows that the runs held out (selection=holdout); evaluation rows choose
nothing. The folder gets the changed weights as shards, the heads, the predictions and merge.json with the scores; with
several ways, or a table, each merge gets a folder of its own there, and complete ones are not made again. `frod-bench
plan merge` estimates runs and merges before.
"""


def main(argv: list[str]) -> int:
    """Merge, write and print the scores; return 1 when a run failed. Raises RequestError for what cannot be merged."""
    arguments = _parser().parse_intermixed_args(argv)
    hows = requested_hows(arguments.how)
    given = {f"--{name}": text for name in ("scale", "scales") if (text := getattr(arguments, name)) is not None}
    scales = [scale for option, text in given.items() for scale in parsed_scales(option, text)]
    ways = requested_ways(hows, scales, arguments.density, arguments.seed, arguments.draws)
    folders = [word for word in arguments.words if "=" not in word]
    if arguments.methods or arguments.tasks or (folders and folders[0] in table_names()):
        return _merge_table(arguments, ways)
    if len(folders) < len(arguments.words):
        raise RequestError(
            "Overrides are for --methods and --tasks; runs have the configuration that they were made by."
        )
    if not folders:
        raise RequestError("Name the runs to merge: their folders, or --methods M,… and --tasks T,….")
    if len(ways) == 1:
        check_folder(arguments.to)
    _merge([Group("", [Path(folder) for folder in folders], arguments.label)], ways, arguments.to)
    return 0


def _merge_table(arguments: argparse.Namespace, ways: list[Way]) -> int:
    """Train what is missing and merge the runs of each row and seed; return 1 when a run failed, else 0."""
    from frod_bench.config.instantiate import build_method  # torch and Hydra take seconds to import
    from frod_bench.grid.merges import compose_groups
    from frod_bench.grid.missing import run_missing

    arguments.words = [current_override(word) for word in arguments.words]
    groups = compose_groups(named_table(arguments, "merge"), arguments.profile, arguments.seeds, arguments.words)
    first = {cell.row: cell for group in groups for cell in group.cells}
    check_methods(ways, {row: build_method(cell.config["method"]) for row, cell in first.items()})
    failed = run_missing([cell for group in groups for cell in group.cells], 1)
    complete = [group for group in groups if all(cell.completed() for cell in group.cells)]
    whole = [Group(group.name, [cell.directory for cell in group.cells], group.cells[0].row) for group in complete]
    if whole:
        _merge(whole, ways, arguments.to)
    for cell, outcome in failed:
        show(f"failed: {cell}: {outcome.reason} (exit code {outcome.code})")
    return 1 if failed else 0


def _merge(groups: list[Group], ways: list[Way], to: Path) -> None:
    """Merge the runs of each group in every way, below `to`, and print the tables."""
    from frod_bench.report import merges, table  # these imports take seconds, and a refusal needs none of them
    from frod_bench.runs.merge import MergeRequest, merge_runs, merged_before
    from frod_bench.runs.progress_bars import hide_progress_bars_in_logs

    hide_progress_bars_in_logs()
    records, made = [], []
    for folder, group, way in merge_folders(groups, ways, to):
        request = MergeRequest(**way._asdict())
        if (record := merged_before(group.runs, request, folder)) is None:
            check_folder(folder)
            if len(groups) * len(ways) > 1:
                show(f"merging into {folder}")
            try:
                record = merge_runs(group.runs, request, folder, group.label)
            except OSError as error:
                place = error.filename or folder
                raise RequestError(f"{place} cannot be written ({error.strerror}). Give another --to.") from error
        records.append(record)
        made.append(folder)
    show("\n\n".join(map(table.to_text, merges.merge_tables(records, paper_dir()))))
    show(f"\nmerged: {', '.join(map(str, made))}")


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "frod-bench merge", "Merge runs of one backbone on several tasks, and score the result.", _EXAMPLES
    )
    add = parser.add_argument
    help_words = (
        "folders of complete runs, with config.yaml and adapter/; or a table, or overrides of the runs to train"
    )
    add("words", nargs="*", default=[], metavar="RUN", help=help_words)
    add(
        "--how",
        required=True,
        metavar="W,…",
        help=f"{', '.join(HOWS)}; the last takes lora and lori, others any method",
    )
    scale = parser.add_mutually_exclusive_group()
    scale.add_argument("--scale", metavar="S", help="factor of the merged update (default: the way's usual one)")
    scale.add_argument("--scales", metavar="S,…", help="factors to choose from, on held-out training rows")
    add("--density", type=float, metavar="D", help="share of kept entries (default: 0.2 for ties, 0.1 for dare)")
    add("--seed", type=int, default=0, metavar="N", help="of the entries that dare drops (default: 0)")
    add_draws(parser)
    add("--label", metavar="TEXT", help="what tables and figures call it (default: the methods, or the table's row)")
    add("--to", type=Path, required=True, metavar="DIR", help="a new or empty folder, or one with earlier merges")
    table = parser.add_argument_group("runs to train first, one per method, task and seed")
    table.add_argument("--profile", default="paper", choices=choices("profile"), help="default: paper")
    table.add_argument("--methods", metavar="M,…", help="methods, as in method=, or rows of the table")
    table.add_argument("--tasks", metavar="T,…", help="tasks, as in task=, or columns of the table")
    table.add_argument("--seeds", metavar="0,1,…", help="seeds (default: 0, or the table's)")
    return parser
