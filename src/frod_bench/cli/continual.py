"""`frod-bench continual`: train one adapter on one task after another, and score every task after every stage."""

import argparse
import contextlib

from frod_bench.cli.continual_arguments import add_bounds, requested_sequences
from frod_bench.cli.parser import command_parser
from frod_bench.config.catalogue import choices
from frod_bench.config.old_names import current_override
from frod_bench.console import show
from frod_bench.errors import RequestError
from frod_bench.files import save_text
from frod_bench.grid.continual import TaskSequence, wanted_cells
from frod_bench.grid.missing import run_missing
from frod_bench.record.continual_record import ContinualRecord, read_continual
from frod_bench.tasks.joint_names import score_name

_EXAMPLES = """\
examples:
  frod-bench plan continual --profile offline --tasks glue/rte,glue/mrpc --methods frod,lora --joint     hours, first
  frod-bench continual --profile smoke --tasks glue/rte,glue/mrpc --methods frod,lora
  frod-bench continual --profile offline --tasks glue/rte,glue/mrpc,glue/cola,glue/sst2 --methods frod,lora,lori \\
      --seeds 0,1,2 --alone --joint

Each stage is a run of its own, which carries on the adapter of the stage before (start=RUN) and has a new head. Type
the same command again to resume: complete stages are skipped, and an interrupted one continues from its checkpoint.
Average: over all tasks, after the last stage. Backward transfer: how an earlier task's score has changed since its own
stage. Forgetting: how far it is below its best before the last stage.

--alone: a run of each task, as upper bound of its own stage. --joint: one run on the rows of all tasks, mixed, for as
many epochs, with one adapter and a head for each task; its epoch is selected by the mean of the tasks' scores. Its
rates are the geometric means of the tasks' own.
"""


def main(argv: list[str]) -> int:
    """Run what is missing, score it and print the tables; return 1 when a run failed, else 0. Raises RequestError."""
    arguments = _parser().parse_intermixed_args(argv)
    sequences = requested_sequences(arguments)
    failed = run_missing(wanted_cells(sequences, arguments.alone, arguments.joint), 1)
    complete = [sequence for sequence in sequences if all(cell.completed() for cell in sequence.stages)]
    if complete:
        records = [_scored(sequence) for sequence in complete]
        from frod_bench.report import continual, table

        show("\n" + "\n\n".join(map(table.to_text, continual.tables(records))))
    for cell, outcome in failed:
        show(f"failed: {cell}: {outcome.reason} (exit code {outcome.code})")
    return 1 if failed else 0


def _scored(sequence: TaskSequence) -> ContinualRecord:
    """Return the scores of a complete sequence; each is stored as soon as it is known."""
    alone, joint = _alone(sequence), _joint(sequence)
    before = read_continual(sequence.file) if sequence.file.exists() else None
    if before is not None and _is_of(before, sequence, alone, joint):
        return before
    from frod_bench.runs.continual import score_sequence  # torch takes seconds to import

    sequence.file.parent.mkdir(parents=True, exist_ok=True)
    for scored in score_sequence([cell.directory for cell in sequence.stages], alone, joint, before):
        before = scored
        save_text(sequence.file, scored.to_json())
    assert before is not None
    return before


def _alone(sequence: TaskSequence) -> list[float | None]:
    """Return the scores of the runs of each task alone, None for one that is not complete."""
    records = [cell.completed() for cell in sequence.alone]
    return [record.selected["value"] if record is not None and record.selected else None for record in records]


def _joint(sequence: TaskSequence) -> list[float | None]:
    """Return the scores on each task of the run on all of them, None where it is not complete or cannot be."""
    record = None
    with contextlib.suppress(RequestError):
        record = sequence.joint().completed()
    if record is None or record.selected is None:
        return [None for _ in sequence.stages]
    tasks = [cell.config["task"] for cell in sequence.stages]
    return [record.selected["metrics"][score_name(task["metrics"][0], task["name"])] for task in tasks]


def _is_of(
    record: ContinualRecord, sequence: TaskSequence, alone: list[float | None], joint: list[float | None]
) -> bool:
    """Return whether a record is complete, with these scores, and of the runs that there are now."""
    found = [cell.completed() for cell in sequence.stages]
    same = record.runs == [run.digest for run in found if run is not None]
    return same and record.average is not None and (record.alone, record.joint) == (alone, joint)


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "frod-bench continual", "Train one adapter on a sequence of tasks and measure what it forgets.", _EXAMPLES
    )
    add = parser.add_argument
    add("--tasks", metavar="T,T,…", help="tasks of one suite, in the order of training")
    add("--methods", metavar="M,…", help="methods, as in method=")
    add("--profile", default="paper", choices=choices("profile"), help="default: paper")
    add("--seeds", metavar="0,1,…", help="seeds (default: 0)")
    add_bounds(parser)
    words = "overrides for every run, such as data.root=DIR"
    add("words", nargs="*", default=[], type=current_override, metavar="OVERRIDE", help=words)
    return parser
