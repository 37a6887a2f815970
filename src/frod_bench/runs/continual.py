"""Score one adapter on every task that it has seen, after each stage, with the head of that task's own stage."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from frod_bench.merging.continual import average, backward_transfer, forgetting
from frod_bench.record.continual_record import ContinualRecord
from frod_bench.runs.run_files import adapter_folder
from frod_bench.runs.trained import TrainedRun

Scores = list[list[float | None]]


def score_sequence(
    folders: Sequence[Path],
    alone: Sequence[float | None],
    joint: Sequence[float | None],
    before: ContinualRecord | None = None,
) -> Iterator[ContinualRecord]:
    """Yield the record of a complete sequence of runs after every new score; the last one has the summaries.

    Scores of `before` are kept if they are of the same runs. A task's score after its own stage is the run's.
    """
    runs = [TrainedRun(folder) for folder in folders]
    first = runs[0].record
    record = ContinualRecord(
        method=first.method,
        seed=first.seed,
        setting=runs[0].setting,
        tasks=[run.record.task for run in runs],
        metrics=[run.record.metric["name"] for run in runs],
        runs=[run.record.digest for run in runs],
        matrix=[[None] * len(runs) for _ in runs],
        alone=list(alone),
        joint=list(joint),
    )
    if before is not None and before.runs == record.runs:
        record.matrix = before.matrix
    for stage, run in enumerate(runs):
        selected = run.record.selected
        assert selected is not None
        record.matrix[stage][stage] = selected["value"]
        for task in range(stage):
            if record.matrix[stage][task] is None:
                record.matrix[stage][task] = _score(runs[task], run)
                yield record
    record.average = average(record.matrix)
    record.backward_transfer = backward_transfer(record.matrix)
    record.forgetting = forgetting(record.matrix)
    yield record


def _score(task: TrainedRun, stage: TrainedRun) -> float:
    """Return the score on one task of a later stage's adapter, with the head of the task's own stage."""
    adapted = task.adapted()
    adapted.load(adapter_folder(stage.folder), head=False)
    return task.score(adapted.model)[0][task.record.metric["name"]]
