"""Classification of texts of one's own: from CSV, JSON lines, parquet or a data set of the hub."""

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from datasets import Value
from transformers import PreTrainedTokenizerBase

from frod_bench.errors import RequestError
from frod_bench.tasks.base import NewRows, RowRequest, Source, TaskData
from frod_bench.tasks.checks import require_entries
from frod_bench.tasks.glue import GlueTask
from frod_bench.tasks.own.columns import label_column, text_columns
from frod_bench.tasks.own.labels import label_texts
from frod_bench.tasks.own.named_rows import NamedRows
from frod_bench.tasks.own.reading import EVALUATION, LABEL, TRAIN, InHand, OwnRows, Table
from frod_bench.tasks.own.task import OwnTask
from frod_bench.tasks.row_table import RowTable
from frod_bench.tasks.sources.own import OwnSource

_TYPES = ("string", "large_string")
_FIELDS = ("text", "text_pair")  # what the one or two columns are called from here on


@dataclass(frozen=True, kw_only=True)
class OwnTextTask(OwnTask):
    """Texts of one's own, with the checks and the encoding of a GLUE task.

    `text` names one or two columns; None looks for names that leave no doubt. `instruction` is the sentence for
    text.format=instruction.
    """

    reads: ClassVar[str] = "text"

    choice: str = "own/text"
    text: list[str] | str | None = None
    instruction: str | None = None

    def __post_init__(self) -> None:
        require_entries(self, ("metrics",))
        names = self.text_names
        if names is not None and not _are_columns(names):
            raise RequestError(f"task.text={self.text} is not accepted: one column of text or two, as in [review].")
        if self.label is not None and (not isinstance(self.label, str) or self.label in (names or ())):
            raise RequestError(
                f"task.label={self.label} is not accepted: the name of one column, not one of task.text."
            )

    @property
    def text_names(self) -> list[str] | None:
        """The columns of text as a list."""
        return [self.text] if isinstance(self.text, str) else self.text

    def load(self, source: Source, tokenizer: PreTrainedTokenizerBase, request: RowRequest) -> TaskData:
        """See `Task.load` and `GlueTask.load`."""
        if request.text == "instruction" and self.instruction is None:
            raise RequestError(
                "text.format=instruction needs task.instruction='…', a sentence that says what to decide; or type"
                " text.format=pair."
            )
        own = self._noted(self._rows(source, request.evaluation))
        fields = [name for name in _FIELDS if name in own.rows[TRAIN].column_names]
        return self._task(fields, own.classes).load(InHand(own), tokenizer, request)

    def encode_new(self, table: RowTable, tokenizer: PreTrainedTokenizerBase, request: RowRequest) -> NewRows:
        """See `Task.encode_new`; for a task `with_found`. The columns have the names of the run's own rows."""
        columns = self._found("columns")
        names = dict(zip(columns["text"], _FIELDS, strict=False))
        table.require(list(names))
        table = table.renamed(names | {name: LABEL for name in [columns["label"]] if name in table.columns})
        new = self._task(list(names.values()), self.classes(None)).encode_new(table, tokenizer, request)
        return replace(new, shown={name: new.shown[own] for name, own in names.items()})

    def _task(self, fields: list[str], classes: list[str]) -> GlueTask:
        return GlueTask(
            name=self.name,
            suite=self.suite,
            repo=self.name,
            config="rows",
            fields=fields,
            label_names=classes,
            train_split=TRAIN,
            eval_splits=[EVALUATION],
            metrics=self.metrics,
            instruction=self.instruction or "",
            rows={},
        )

    def _contents(self, own: OwnRows, split: str) -> list[Hashable]:
        rows = own.rows[split]
        return list(zip(*(rows[name] for name in _FIELDS if name in rows.column_names), strict=True))

    def _read(self, source: OwnSource, place: Any, option: str) -> Table:
        named = source.table(place, option)
        label = label_column(named, self.label)
        names = text_columns(named, self.text_names, label)
        source.check_sizes(named, [*names, label])
        for name in names:
            _check_texts(named, name)
        inputs = named.rows.select_columns(names).rename_columns(dict(zip(names, _FIELDS, strict=False)))
        return Table(named, inputs, label, label_texts(named, label), {"text": names})


def _are_columns(names: Any) -> bool:
    return isinstance(names, list) and len(names) in (1, 2) and all(isinstance(name, str) and name for name in names)


def _check_texts(named: NamedRows, column: str) -> None:
    """Raise RequestError for a column that does not hold texts, and, naming the first, for rows without one."""
    kind = named.rows.features[column]
    if not isinstance(kind, Value) or kind.dtype not in _TYPES:
        raise RequestError(f"Column {column} of {named} is of type {getattr(kind, 'dtype', kind)}; accepted: texts.")
    empty = [row for row, text in enumerate(named.rows[column]) if text is None or not text.strip()]
    if empty:
        more = f" ({len(empty):,} rows have none)" if len(empty) > 1 else ""
        raise RequestError(f"{named.row(empty[0])} has no text in column {column}{more}. Fill in or remove that row.")
