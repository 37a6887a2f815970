"""What tasks of one's own have in common: where their rows lie, and what a run has found in them."""

from abc import abstractmethod
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

from frod_bench.errors import RequestError
from frod_bench.tasks.base import Source
from frod_bench.tasks.own.reading import EVALUATION, TRAIN, OwnRows, Table, own_rows
from frod_bench.tasks.provenance import with_notes
from frod_bench.tasks.sources.own import OwnSource


@dataclass(frozen=True, kw_only=True)
class OwnTask:
    """Base of such tasks.

    `train` and `eval` say where rows lie, see `own.places`, and `content` what they were when the configuration was
    made. `label` names a column; None looks for a name that leaves no doubt. `found` is what a run's record says of
    its rows. The other fields are those that every task has.
    """

    reads: ClassVar[str]  # text or image

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

    def find(self, source: Source) -> Mapping[str, Any]:
        """See `FindsClasses.find`."""
        return self._rows(source, evaluation=False).provenance

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

    def _noted(self, own: OwnRows) -> OwnRows:
        """Return the rows with a note on the evaluation rows whose content is that of a training row."""
        if EVALUATION not in own.rows:
            return own
        trained, evaluated = (self._contents(own, split) for split in (TRAIN, EVALUATION))
        if repeated := sum(map(set(trained).__contains__, evaluated)):
            note = f"{repeated:,} of {len(evaluated):,} evaluation rows repeat the {self.reads} of a training row"
            return replace(own, provenance=with_notes(own.provenance, note))
        return own

    @abstractmethod
    def _contents(self, own: OwnRows, split: str) -> list[Hashable]:
        """Return what tells the inputs of two rows apart, for every row of a split."""

    @abstractmethod
    def _read(self, source: OwnSource, place: Any, option: str) -> Table:
        """Return the rows at a place, checked."""
