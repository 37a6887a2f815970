"""From the checked rows of a task to its data: the one place that limits, holds out, encodes and counts them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from datasets import Dataset, concatenate_datasets
from torch import Tensor, nn

from frod_bench.errors import RequestError
from frod_bench.tasks.base import Batch, Metric, Prediction, RowRequest, TaskData, most_likely_class
from frod_bench.tasks.provenance import truncation, with_notes, wording_entry
from frod_bench.tasks.selection import ROW, carve_holdout, numbered, stratified_part, subset
from frod_bench.tasks.text import CUT


def assemble(
    request: RowRequest,
    train_split: str,
    train: Sequence[Dataset],
    evaluation: Mapping[str, Sequence[Dataset]],
    reported: str,
    encode: Callable[[Dataset, str, bool], Any],
    *,
    label: str,
    num_labels: int | None,
    label_names: list[str],
    metric: str,
    collate: Callable[[list[dict[str, Any]]], Batch],
    measure: Callable[[str, Sequence[int], Sequence[int]], dict[str, float]],
    provenance: dict[str, Any],
    predict: Callable[[nn.Module, dict[str, Tensor]], list[Prediction]] = most_likely_class,
    lengths: tuple[int, int] | None = None,
    wording: str | None = None,
) -> TaskData:
    """Return the data of a task, or of several that are trained together.

    `train` holds the checked rows of each task, `evaluation` those of each evaluation split, nothing if they are not
    read; `reported` names one. `data.max_train` limits the training rows of all tasks together, `data.max_eval` those
    of each task. The hold-out is stratified by the column `label`; see `RowRequest`. `encode(rows, split, training)`
    returns model inputs; hold-out rows come with the name of the training split, and are not for training.

    For texts, `lengths` are the most tokens of a training and of an evaluation row: encoded rows have the column
    `CUT`, which is taken out and counted in the provenance. The other arguments are those of `TaskData`.

    Raises RequestError for a limit that is not accepted, and when the hold-out would leave no training row.
    """
    rest, moved = _join(train), None
    if request.more_eval is not None:
        rest, moved = stratified_part(rest, label, request.more_eval, "data.more_eval")
        provenance = with_notes(provenance, f"{len(moved)} training rows moved to the evaluation split {reported}")
    training, held_out = _training_rows(request, rest, label)
    limited = {
        split: _join([subset(rows, request.max_eval, "data.max_eval") for rows in _numbered(tasks)])
        for split, tasks in evaluation.items()
    }
    if moved is not None and reported in limited:
        first = 1 + max(max(rows[ROW]) for rows in _numbered(evaluation[reported]))
        limited[reported] = _with_moved(limited[reported], moved, first, reported)
    row_ids = {
        split: rows[ROW] for split, rows in (limited | ({} if held_out is None else {"holdout": held_out})).items()
    }
    trained = encode(training, train_split, True)
    evaluated = {split: encode(rows, split, False) for split, rows in limited.items()}
    if held_out is not None:
        held_out = encode(held_out, train_split, False)
    if lengths is not None:
        encoded = {train_split: trained} | evaluated | ({} if held_out is None else {"holdout": held_out})
        most = dict.fromkeys(encoded, lengths[1]) | {train_split: lengths[0]}
        provenance = provenance | truncation(encoded, most)
        trained, held_out = trained.remove_columns(CUT), None if held_out is None else held_out.remove_columns(CUT)
        evaluated = {split: rows.remove_columns(CUT) for split, rows in evaluated.items()}
    samples = {"train": len(trained), "eval": len(evaluated.get(reported, ()))}
    samples |= {split: len(rows) for split, rows in evaluated.items() if split != reported}
    return TaskData(
        train=trained,
        reported=reported,
        evaluation=evaluated,
        holdout=held_out,
        num_labels=num_labels,
        label_names=label_names,
        metric=Metric(metric),
        collate=collate,
        measure=measure,
        samples=samples if held_out is None else samples | {"holdout": len(held_out)},
        provenance=provenance | wording_entry(wording),
        row_ids=row_ids,
        predict=predict,
    )


def _training_rows(request: RowRequest, rows: Dataset, label: str) -> tuple[Dataset, Dataset | None]:
    """Return the rows to train on and those held out."""
    if request.holdout is False:
        return subset(rows, request.max_train, "data.max_train"), None
    if request.holdout is True:
        return carve_holdout(subset(rows, request.max_train, "data.max_train"), label)
    rest, held_out = stratified_part(rows, label, request.holdout, "data.holdout")
    return subset(rest, request.max_train, "data.max_train"), held_out


def _with_moved(rows: Dataset, moved: Dataset, first: int, split: str) -> Dataset:
    """Return the evaluation rows and the moved ones, whose numbers go on from `first`.

    Raises RequestError when the two splits number their classes differently.
    """
    if rows.features != moved.features:
        raise RequestError(f"data.more_eval is not accepted: {split} has other columns than the training rows.")
    numbers = [first + number for number in moved[ROW]]
    return concatenate_datasets([rows, moved.remove_columns(ROW).add_column(ROW, numbers)])


def _join(parts: Sequence[Dataset]) -> Dataset:
    parts = _numbered(parts)
    return parts[0] if len(parts) == 1 else concatenate_datasets(parts)


def _numbered(parts: Sequence[Dataset]) -> list[Dataset]:
    """Return the rows of each task with their numbers, which are counted through all tasks."""
    firsts = [sum(map(len, parts[:place])) for place in range(len(parts))]
    return [numbered(rows, first) for rows, first in zip(parts, firsts, strict=True)]
