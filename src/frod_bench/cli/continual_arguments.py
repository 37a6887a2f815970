"""The arguments of sequences of tasks, which `continual` and `plan` share."""

import argparse

from frod_bench.errors import RequestError
from frod_bench.grid.continual import TaskSequence, compose_sequences


def add_bounds(parser: argparse.ArgumentParser) -> None:
    """Add the runs that a sequence is compared with."""
    group = parser.add_argument_group("bounds of a sequence of tasks")
    group.add_argument("--alone", action="store_true", help="also train every task alone")
    group.add_argument("--joint", action="store_true", help="also train all tasks together, each with its own head")


def requested_sequences(arguments: argparse.Namespace, tuned: bool = True) -> list[TaskSequence]:
    """Return the sequences of the arguments. Raises RequestError for an unknown name, or none."""
    for option in ("tasks", "methods"):
        if not getattr(arguments, option):
            raise RequestError(f"Name the {option} of the sequence: --{option} A,B.")
    tasks, methods = arguments.tasks.split(","), arguments.methods.split(",")
    return compose_sequences(tasks, methods, arguments.profile, arguments.seeds or "0", arguments.words, tuned)
