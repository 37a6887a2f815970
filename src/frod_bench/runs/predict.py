"""What a complete run says of new rows: its model, made again, and its predictions by the names of the classes."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from frod_bench.errors import RequestError
from frod_bench.methods.support.adapted import Adapted
from frod_bench.record import RunRecord
from frod_bench.runs.components import row_request
from frod_bench.runs.trained import TrainedRun
from frod_bench.tasks.base import NewRows
from frod_bench.tasks.row_table import RowTable, from_records
from frod_bench.train.loading import Loader
from frod_bench.train.prediction import Predictions, predict
from frod_bench.train.progress import Progress


class RowScores(NamedTuple):
    """Predictions of rows: a record for each, the metrics of the `labelled` ones among them, and remarks."""

    records: list[dict[str, Any]]
    metrics: dict[str, float]
    labelled: int
    notes: Sequence[str]


class LoadedRun:
    """A complete run in `folder`, with its model at the selected epoch; what `frod_bench.load_run` returns.

    `model` is the trained model in evaluation mode, `processor` its tokenizer or image transform, `classes` the names
    of the head's outputs (None for a language model), `record` what the run measured.
    """

    def __init__(self, folder: str | Path) -> None:
        """Raise RequestError for a folder that holds no complete run, and for one that was edited."""
        self._run = TrainedRun(Path(folder))
        self.record: RunRecord = self._run.record
        self.classes: list[str] | None = self._run.classes

    @cached_property
    def processor(self) -> Any:
        """The tokenizer or image transform of the backbone."""
        return self._run.backbone.processor()

    @property
    def model(self) -> nn.Module:
        """The trained model, on the run's device."""
        return self._adapted.model

    def base(self) -> nn.Module:
        """Return the model before training, with its new head, built anew."""
        return self._run.base()

    def predict(self, rows: Sequence[Mapping[str, Any]], batch_size: int | None = None) -> list[dict[str, Any]]:
        """Return a record for each row: its number, its text or file, `prediction`, and what it was chosen by.

        A row is a mapping with the task's columns, {"sentence": "..."} for SST-2; an image is a path or the bytes of
        a file. `batch_size` is the run's own by default. Raises RequestError for rows that do not fit the task.
        """
        return self.score(from_records(rows), batch_size, quiet=True).records

    @torch.no_grad()
    def score(self, table: RowTable, batch_size: int | None = None, quiet: bool = False) -> RowScores:
        """Predict the rows of a table, and measure those that have a label; see `predict`."""
        run, settings = self._run, self._run.settings
        new = run.task.encode_new(table, self.processor, row_request(run.config, settings))
        size = batch_size or self.record.memory.get("eval_batch_size") or settings.eval_batch_size
        progress = Progress(
            -(-len(table) // size), f"{self.record.method} {self.record.task}", quiet=quiet, unit="batch"
        )
        found: Predictions = []
        load = Loader(run.accelerator, new.collate)
        try:
            with self._adapted.fixed_weights():  # the way to compute is that of a run's evaluation, to the last bit
                for _ in predict(new.rows, found, size, self.model, new.predict, load, run.accelerator):
                    progress.step()
        finally:
            progress.close()
        found.sort()
        pairs = [(row[2], label) for row, label in zip(found, new.labels, strict=True) if label is not None]
        metrics = new.measure(*map(list, zip(*pairs, strict=True))) if pairs else {}
        return RowScores(_records(found, new, self.classes is not None), metrics, len(pairs), new.notes)

    @cached_property
    def _adapted(self) -> Adapted:
        adapted = self._run.adapted()
        adapted.model.to(self._run.accelerator.device).eval()
        return adapted


def load_run(folder: str | Path) -> LoadedRun:
    """Return a complete run ready for use; see `LoadedRun`. Raises RequestError for a folder that holds none."""
    if not Path(folder).is_dir():
        raise RequestError(f"There is no folder {folder}. Give a run's folder, as `frod-bench report` lists them.")
    return LoadedRun(folder)


def _records(found: Predictions, new: NewRows, head: bool) -> list[dict[str, Any]]:
    """Return a record for each row; scores are probabilities of a head, else log-likelihoods of the answers."""
    names = new.label_names
    labelled = any(label is not None for label in new.labels)
    records = []
    for row, _, answer, scores, text in found:
        record: dict[str, Any] = {"row": row} | {name: texts[row] for name, texts in new.shown.items()}
        if labelled:
            label = new.labels[row]
            record["label"] = None if label is None else names[label]
        record["prediction"] = names[answer] if answer >= 0 else None
        if text is not None:
            record["answer"] = text
        if scores is not None:
            of = "p" if head else "log_likelihood"
            record |= {f"{of}({name})": score for name, score in zip(names, scores, strict=True)}
        records.append(record)
    return records
