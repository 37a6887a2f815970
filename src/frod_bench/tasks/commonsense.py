"""Commonsense questions with a fixed list of answers, as in the paper's Table 3; each task is a YAML file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from datasets import Dataset, Features
from transformers import PreTrainedTokenizerBase

from frod_bench.errors import RequestError, did_you_mean
from frod_bench.tasks.assembly import assemble
from frod_bench.tasks.base import NewRows, RowRequest, Source, TaskData
from frod_bench.tasks.checks import require_entries
from frod_bench.tasks.formats import Classification, Format, Instruction
from frod_bench.tasks.per_task_scorer import PerTaskScorer
from frod_bench.tasks.prompts import render
from frod_bench.tasks.provenance import size_note, truncation, with_notes
from frod_bench.tasks.row_table import RowTable
from frod_bench.tasks.schema import check_row, class_ids, features_of, require_columns
from frod_bench.tasks.text import CUT, check_lengths

LAYOUTS = ("hub", "commonsense170k")
FORMATS = ("classification", "instruction")


@dataclass(frozen=True)
class Layout:
    """A form of a task's rows: their location, their columns, and the prompt made from them."""

    repo: str
    config: str
    train_split: str
    eval_splits: list[str]
    columns: Mapping[str, Any]
    label: str
    values: Sequence[Any]
    prompt: str

    @property
    def schema(self) -> Features:
        """The columns that a source must have."""
        return features_of(self.columns, self.label, self.values)


@dataclass(frozen=True, kw_only=True)
class CommonsenseTask:
    """One task. The first of `eval_splits` and of `metrics` is the reported one.

    `label` names the column that holds the answer and the values it takes; `label_names` are the same answers in words,
    in the same order. `packaged` is for listings, `wording` for the record. `commonsense170k` is the task's folder in
    the layout of LLM-Adapters, whose rows are complete instructions. Raises `RequestError` when a list is empty or the
    numbers of values and names differ.
    """

    name: str
    suite: str
    repo: str
    config: str
    commonsense170k: str
    columns: Mapping[str, Any]
    label: Mapping[str, Any]
    label_names: list[str]
    prompts: Mapping[str, str]
    train_split: str
    eval_splits: list[str]
    metrics: list[str]
    layout: str
    wrapper: str
    response: str
    scoring: str | None
    loss_on: str | None
    beams: int | None
    rows: Mapping[str, int]
    packaged: str | None = None
    wording: str | None = None

    def __post_init__(self) -> None:
        require_entries(self, ("label_names", "eval_splits", "metrics"))
        if len(self.label_names) != len(self.label["values"]):
            raise RequestError(
                f"task.label_names={self.label_names} is not accepted: one name for each of the"
                f" {len(self.label['values'])} values of task.label."
            )

    def count(self, source: Source, text: str | None) -> list[int | None]:
        """See `Task.count`."""
        layout = self.rows_in(text)
        splits = (layout.train_split, layout.eval_splits[0])
        return [source.count(layout.repo, layout.config, split, layout.schema) for split in splits]

    def load(self, source: Source, tokenizer: PreTrainedTokenizerBase, request: RowRequest) -> TaskData:
        """See `Task.load` and `load_questions`."""
        return load_questions(self.name, [self], source, tokenizer, request)

    def classes(self, text: str | None) -> list[str] | None:
        """See `Task.classes`."""
        return None if text == "instruction" else list(self.label_names)

    def encode_new(self, table: RowTable, tokenizer: PreTrainedTokenizerBase, request: RowRequest) -> NewRows:
        """See `Task.encode_new`. The rows have the columns of the task's layout."""
        lengths, layout = check_lengths(tokenizer, request), self.rows_in(request.text)
        form = make_format(request.text, [self], tokenizer, *lengths)
        table.require(list(layout.columns))
        labels, notes = table.labels(layout.label, layout.values, self.label_names)
        pieces, origins = [], [f"Row {row} of {table.name}" for row in range(len(table))]
        for row, origin in enumerate(origins):
            columns = {name: table.columns[name][row] for name in layout.columns}
            check_row(columns, layout.columns, layout.values, origin)
            pieces.append(render(layout.prompt, columns))
        asked = {"pieces": pieces, "origin": origins, "labels": [label or 0 for label in labels]}
        questions = Dataset.from_dict(asked | {"task": [0] * len(table)})
        encoded = form.encode(questions, False, f"{self.name} {table.name}")
        metrics = [*self.metrics, *form.metrics]
        scorer = PerTaskScorer(metrics, self.eval_splits[0], {self.name: len(self.label_names)})
        return NewRows(
            encoded.remove_columns(CUT),
            labels,
            {name: table.texts(name) for name, kind in layout.columns.items() if kind == "text"},
            self.label_names,
            form.collate,
            partial(scorer, self.eval_splits[0]),
            form.predict,
            [*notes, *truncation({table.name: encoded}, {table.name: lengths[1]}).values()],
        )

    def rows_in(self, text: str | None) -> Layout:
        """Return the layout of the rows for a text format. Raises `RequestError` if the two do not go together."""
        if text not in FORMATS:
            raise RequestError(f"text.format={text} is not known. {did_you_mean(str(text), FORMATS)}")
        if self.layout not in LAYOUTS:
            raise RequestError(f"task.layout={self.layout} is not known. {did_you_mean(str(self.layout), LAYOUTS)}")
        if self.layout == "hub":
            place = (self.repo, self.config, self.train_split, self.eval_splits)
            return Layout(*place, self.columns, self.label["column"], self.label["values"], self.prompts[text])
        if text != "instruction":
            raise RequestError("task.layout=commonsense170k holds instructions: add protocol=paper.")
        place = ("commonsense170k", self.commonsense170k, "train", ["test"])
        return Layout(*place, {"instruction": "text"}, "answer", self.label_names, "{instruction}")


def load_questions(
    name: str,
    tasks: Sequence[CommonsenseTask],
    source: Source,
    tokenizer: PreTrainedTokenizerBase,
    request: RowRequest,
) -> TaskData:
    """Read the questions of one task, or of several that are trained together, and encode them.

    The text format is "classification" or "instruction". Raises `RequestError` on an option out of range, and on rows
    that do not fit.
    """
    lengths = check_lengths(tokenizer, request)
    layouts = [task.rows_in(request.text) for task in tasks]
    form = make_format(request.text, tasks, tokenizer, *lengths)
    read: dict[str, list[Dataset]] = {}
    for number, layout in enumerate(layouts):
        first = sum(len(task.label_names) for task in tasks[:number])
        for split in (layout.train_split, *(layout.eval_splits if request.evaluation else ())):
            read.setdefault(split, []).append(_questions(source, layout, split, number, first))
    train_split, eval_splits = layouts[0].train_split, layouts[0].eval_splits
    metrics = [*tasks[0].metrics, *form.metrics]
    return assemble(
        request,
        train_split,
        read[train_split],
        {split: read[split] for split in eval_splits if split in read},
        eval_splits[0],
        lambda rows, split, training: form.encode(rows, training, f"{name} {split}"),
        label="labels",
        num_labels=form.num_labels,
        label_names=[label for task in tasks for label in task.label_names],
        metric=metrics[0],
        collate=form.collate,
        measure=PerTaskScorer(metrics, eval_splits[0], {task.name: len(task.label_names) for task in tasks}),
        provenance=with_notes(source.provenance(), _size_note(tasks, read)),
        predict=form.predict,
        lengths=lengths,
        wording=tasks[0].wording,
    )


def make_format(
    text: str | None,
    tasks: Sequence[CommonsenseTask],
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
    eval_max_length: int,
) -> Format:
    """Return the format called `text`. Raises `RequestError` if it does not suit these tasks."""
    task = tasks[0]
    if text == "instruction":
        answers = [member.label_names for member in tasks]
        asked = {key: getattr(task, key) for key in ("wrapper", "response", "scoring", "loss_on", "beams")}
        return Instruction(tokenizer, answers, max_length, eval_max_length, **asked)
    if len(tasks) > 1:
        raise RequestError("Several tasks have no head in common. Add protocol=paper, or name one task.")
    if task.scoring is not None:
        raise RequestError(f"task.scoring={task.scoring} is for instructions. Add protocol=paper.")
    return Classification(tokenizer, task.label_names, max_length, eval_max_length)


def _questions(source: Source, layout: Layout, split: str, task: int, first_class: int) -> Dataset:
    """Return the rows of a split as questions; see `formats.Format`."""
    where = f"{layout.repo}/{layout.config}/{split}"
    rows = source.read(layout.repo, layout.config, split, layout.schema)
    classes = class_ids(rows, layout.label, layout.values, where)
    require_columns(rows, list(layout.columns), where)
    questions = []
    for number, row in enumerate(rows.select_columns(list(layout.columns))):
        origin = f"Row {number} of {where}"
        check_row(row, layout.columns, layout.values, origin)
        questions.append((render(layout.prompt, row), origin, first_class + classes[number], task))
    names = ("pieces", "origin", "labels", "task")
    return Dataset.from_dict(dict(zip(names, map(list, zip(*questions, strict=True)), strict=True)))


def _size_note(tasks: Sequence[CommonsenseTask], read: Mapping[str, Sequence[Dataset]]) -> str | None:
    sizes = {(split, t): len(rows) for split, parts in read.items() for t, rows in enumerate(parts)}
    label = {(s, t): f"{tasks[t].name.rpartition('/')[2]} {s}" if len(tasks) > 1 else s for s, t in sizes}
    official = {label[s, t]: tasks[t].rows[s] for s, t in sizes if s in tasks[t].rows}
    return size_note({label[key]: n for key, n in sizes.items()}, official)
