"""What tasks of one's own have in common: where their rows lie, and what a run has found in them."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from frod_bench.errors import RequestError
from frod_bench.tasks.base import Source
from frod_bench.tasks.own.reading import EVALUATION, TRAIN, OwnRows, Table, own_rows
from frod_bench.tasks.sources.own import OwnSource


@dataclass(frozen=True, kw_only=True)
class OwnTask:
    """Base of such tasks.

    `train` and `eval` say where rows lie, see `own.places`, and `content` what they were when the configuration was
    made. `label` names a column; None looks for a name that leaves no doubt. `found` is what a run's record says of
    its rows. The other fields are those that every task has.
    """

    name: str
    suite: str
    metrics: list[str]
    train: Any
    content: Mapping[str, str | None]
    choice: str
    eval: Any = None
    label: str | None = None
    source: str = "own"
    repo: str = ""
    config: str = ""
    rows: Mapping[str, int] = field(default_factory=dict)  # no official sizes
    found: Mapping[str, Any] | None = None

    def count(self, source: Source, text: str | None) -> list[int | None]:
        """See `Task.count`. Reads the rows."""
        rows = self._rows(source, evaluation=True).rows
        return [len(rows[TRAIN]), len(rows[EVALUATION])]

    def with_found(self, data: Mapping[str, Any]) -> Self:
        """See `FindsClasses.with_found`."""
        return replace(self, found=data)

    def classes(self, text: str | None) -> list[str]:
        """See `Task.classes`; for a task `with_found`."""
        return list(self._found("classes"))

    def _found(self, key: str) -> Any:
        """Return the `classes` or `columns` of a run's rows. Raises RequestError for a task that does not know them."""
        if self.found is None or key not in self.found:
            raise RequestError(f"The record does not say which {key} {self.name} has: the run did not read its rows.")
        return self.found[key]

    def _rows(self, source: Source, evaluation: bool) -> OwnRows:
        return own_rows(source, {"train": self.train, "eval": self.eval}, self.content, self._read, evaluation)

    @abstractmethod
    def _read(self, source: OwnSource, place: Any, option: str) -> Table:
        """Return the rows at a place, checked."""
