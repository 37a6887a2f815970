"""`frod-bench continual`: train one adapter on one task after another, and score every task after every stage."""

import argparse

from frod_bench.cli.parser import command_parser
from frod_bench.config.catalogue import choices
from frod_bench.config.old_names import current_override
from frod_bench.console import show
from frod_bench.errors import RequestError
from frod_bench.files import save_text
from frod_bench.grid.continual import TaskSequence, compose_sequences
from frod_bench.grid.missing import run_missing
from frod_bench.record.continual_record import ContinualRecord, read_continual

_EXAMPLES = """\
examples:
  frod-bench continual --profile smoke --tasks glue/rte,glue/mrpc --methods frod,lora
  frod-bench continual --profile offline --tasks glue/rte,glue/mrpc,glue/cola,glue/sst2 --methods frod,lora,lori \\
      --seeds 0,1,2 --alone

Each stage is a run of its own, which carries on the adapter of the stage before (start=RUN) and has a new head. Type
the same command again to resume: complete stages are skipped, and an interrupted one continues from its checkpoint.
Average: over all tasks, after the last stage. Backward transfer: how an earlier task's score has changed since its own
stage. Forgetting: how far it is below its best before the last stage.
"""


def main(argv: list[str]) -> int:
    """Run what is missing, score it and print the tables; return 1 when a run failed, else 0. Raises RequestError."""
    arguments = _parser().parse_intermixed_args(argv)
    sequences = requested_sequences(arguments)
    cells = [cell for sequence in sequences for cell in sequence.stages]
    if arguments.alone:
        cells += [cell for sequence in sequences for cell in sequence.alone[1:]]  # the first stage is such a run
    failed = run_missing(cells, 1)
    complete = [sequence for sequence in sequences if all(cell.completed() for cell in sequence.stages)]
    if complete:
        records = [_scored(sequence) for sequence in complete]
        from frod_bench.report import continual, table

        show("\n" + "\n\n".join(map(table.to_text, continual.tables(records))))
    for cell, outcome in failed:
        show(f"failed: {cell}: {outcome.reason} (exit code {outcome.code})")
    return 1 if failed else 0


def requested_sequences(arguments: argparse.Namespace) -> list[TaskSequence]:
    """Return the sequences of the arguments. Raises RequestError for an unknown name, or none."""
    for option in ("tasks", "methods"):
        if not getattr(arguments, option):
            raise RequestError(f"Name the {option} of the sequence: --{option} A,B.")
    tasks, methods = arguments.tasks.split(","), arguments.methods.split(",")
    return compose_sequences(tasks, methods, arguments.profile, arguments.seeds or "0", arguments.words)


def _scored(sequence: TaskSequence) -> ContinualRecord:
    """Return the scores of a complete sequence; each is stored as soon as it is known."""
    alone = []
    for cell in sequence.alone:
        record = cell.completed()
        alone.append(record.selected["value"] if record is not None and record.selected else None)
    before = read_continual(sequence.file) if sequence.file.exists() else None
    if before is not None and before.average is not None and before.alone == alone and _same_runs(sequence, before):
        return before
    from frod_bench.runs.continual import score_sequence  # torch takes seconds to import

    sequence.file.parent.mkdir(parents=True, exist_ok=True)
    for scored in score_sequence([cell.directory for cell in sequence.stages], alone, before):
        before = scored
        save_text(sequence.file, scored.to_json())
    assert before is not None
    return before


def _same_runs(sequence: TaskSequence, record: ContinualRecord) -> bool:
    found = [cell.completed() for cell in sequence.stages]
    return record.runs == [run.digest for run in found if run is not None]


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "frod-bench continual", "Train one adapter on a sequence of tasks and measure what it forgets.", _EXAMPLES
    )
    add = parser.add_argument
    add("--tasks", metavar="T,T,…", help="tasks of one suite, in the order of training")
    add("--methods", metavar="M,…", help="methods, as in method=")
    add("--profile", default="paper", choices=choices("profile"), help="default: paper")
    add("--seeds", metavar="0,1,…", help="seeds (default: 0)")
    add("--alone", action="store_true", help="also train every task alone, as a bound")
    words = "overrides for every run, such as data.root=DIR"
    add("words", nargs="*", default=[], type=current_override, metavar="OVERRIDE", help=words)
    return parser
