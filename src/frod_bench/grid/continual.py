"""Sequences of tasks: the runs of each stage, those of every task alone, and one run on all of them together."""

from dataclasses import dataclass
from pathlib import Path

from frod_bench.config.catalogue import choices
from frod_bench.config.earlier import carried_on
from frod_bench.config.joint import joint_config
from frod_bench.errors import RequestError, did_you_mean
from frod_bench.grid.cells import Cell, compose_cells
from frod_bench.grid.tables import TableSpec
from frod_bench.record import output_root
from frod_bench.record.places import CONTINUAL

TOGETHER = "all tasks together"


@dataclass(frozen=True)
class TaskSequence:
    """One method and seed: a run for each stage, which carries on the one before, and a run of each task alone."""

    stages: list[Cell]
    alone: list[Cell]

    @property
    def file(self) -> Path:
        """The file of the scores."""
        last = self.stages[-1]
        name = f"{last.config['method']['name']}-seed{last.config['seed']}-{last.identity[:8]}.json"
        return output_root() / CONTINUAL / last.config["profile"]["name"] / name

    def joint(self) -> Cell:
        """Return the run on all tasks together, the same for every order of them.

        Raises RequestError where the recipe trains the tasks by values that one run cannot have.
        """
        return Cell(self.stages[0].row, TOGETHER, joint_config([cell.config for cell in self.alone]))


def compose_sequences(
    tasks: list[str], methods: list[str], profile: str, seeds: str, overrides: list[str], tuned: bool = True
) -> list[TaskSequence]:
    """Return a sequence for each method and seed; for `tuned` see `compose_cells`.

    Raises RequestError for an unknown name, a task that comes twice, tasks of several suites, and an override that a
    table does not accept either.
    """
    _check(tasks, methods)
    table = TableSpec(
        "continual", {m: [f"method={m}"] for m in methods}, dict(zip(tasks, tasks, strict=True)), None, {profile: seeds}
    )
    cells = compose_cells(table, profile, seeds, overrides, tuned)
    numbers = list(dict.fromkeys(cell.config["seed"] for cell in cells))
    return [
        _sequence([cell for cell in cells if cell.row == method and cell.config["seed"] == seed])
        for method in methods
        for seed in numbers
    ]


def wanted_cells(sequences: list[TaskSequence], alone: bool, joint: bool) -> list[Cell]:
    """Return the runs of the sequences, with `alone` those of every task alone, with `joint` those on all tasks."""
    cells = [cell for sequence in sequences for cell in sequence.stages]
    if alone:
        cells += [cell for sequence in sequences for cell in sequence.alone[1:]]  # the first stage is such a run
    if joint:
        cells += [sequence.joint() for sequence in sequences]
    return cells


def _sequence(alone: list[Cell]) -> TaskSequence:
    stages = [alone[0]]
    for cell in alone[1:]:
        before = stages[-1].config
        if before["method"].get("mask") is not None:
            raise RequestError("method.mask is not accepted here: one adapter is carried on, with one set of entries.")
        config = cell.config | {"method": before["method"]}  # its names, as that of LoRI's A, are of the first task
        stages.append(Cell(cell.row, cell.column, carried_on(config, before)))
    return TaskSequence(stages, alone)


def _check(tasks: list[str], methods: list[str]) -> None:
    for option, group, names in (("--tasks", "task", tasks), ("--methods", "method", methods)):
        for name in names:
            if name not in choices(group):
                raise RequestError(f"{option} {name} is not known. {did_you_mean(name, choices(group))}")
        if len(set(names)) < len(names):
            raise RequestError(f"{option} {','.join(names)} is not accepted: one of them comes twice.")
    if len(tasks) < 2:
        raise RequestError(f"--tasks {','.join(tasks)} is not accepted: two tasks or more, as in glue/rte,glue/mrpc.")
    if len(suites := sorted({task.partition("/")[0] for task in tasks})) > 1:
        raise RequestError(
            f"--tasks is not accepted with tasks of {' and '.join(suites)}: one backbone reads one kind."
        )
