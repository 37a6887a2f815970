"""Several commonsense tasks trained together as instructions and scored one by one, as in LLM-Adapters."""

from collections.abc import Mapping, Sequence
from typing import Any

from transformers import PreTrainedTokenizerBase

from frod_bench.errors import RequestError
from frod_bench.tasks.base import NewRows, RowRequest, Source, TaskData
from frod_bench.tasks.commonsense import CommonsenseTask, load_questions
from frod_bench.tasks.row_table import RowTable


class MixtureTask:
    """`members` hold the keys of each task; those of `configs/task/commonsense/_base.yaml` are shared."""

    repo = config = ""
    label_names = ()

    def __init__(self, *, name: str, members: Sequence[Mapping[str, Any]], rows: Mapping[str, int], **shared: Any):
        self.name, self.rows = name, rows
        self.suite, self.train_split, self.eval_splits = (
            shared[key] for key in ("suite", "train_split", "eval_splits")
        )
        self._tasks = [CommonsenseTask(**shared | dict(member)) for member in members]

    def count(self, source: Source, text: str) -> list[int | None]:
        """See `Task.count`; the sum over the members."""
        parts = zip(*(task.count(source, text) for task in self._tasks), strict=True)
        return [None if None in part else sum(part) for part in parts]

    def classes(self, text: str | None) -> None:
        """See `Task.classes`."""

    def encode_new(self, table: RowTable, tokenizer: PreTrainedTokenizerBase, request: RowRequest) -> NewRows:
        """Encode rows of the member that they have the columns of, by `Task.encode_new`; see there.

        Raises RequestError when no member or several of them have these columns.
        """
        fitting = [t for t in self._tasks if set(t.rows_in(request.text).columns) <= table.columns.keys()]
        if len(fitting) != 1:
            names = ", ".join(task.name for task in fitting or self._tasks)
            which = "could be of any of" if fitting else "are of none of"
            raise RequestError(f"The columns of {table.name} {which} {names}. Give the columns of exactly one task.")
        return fitting[0].encode_new(table, tokenizer, request)

    def load(self, source: Source, tokenizer: PreTrainedTokenizerBase, request: RowRequest) -> TaskData:
        """See `Task.load` and `load_questions`; the rows are those of all members."""
        return load_questions(self.name, self._tasks, source, tokenizer, request)
