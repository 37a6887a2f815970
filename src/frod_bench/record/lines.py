"""JSON lines as a sequence that takes little memory: it is read anew at every access, or kept in a brief form."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from frod_bench.errors import RequestError
from frod_bench.reading import parse_json, read_lines
from frod_bench.record.json_types import JsonType, type_problem

_KEPT = 2**20  # bytes of a file whose lines in their brief form stay in memory

Brief = Callable[[dict[str, Any]], dict[str, Any]]


def file_lines(file: Path, kind: JsonType, brief: Brief | None = None) -> "JsonLines":
    """Return the lines of a file, none if there is no file. Raises RequestError for a broken line."""
    return JsonLines(str(file), kind, lambda start: read_lines(file, start) if file.exists() else iter(()), brief)


class JsonLines(Sequence[dict[str, Any]]):
    """The lines that `read` yields from a byte offset on, each an object of the type `kind` (see `type_problem`).

    All lines are checked on creation; a broken one raises RequestError, which names `where`. With `brief` the lines
    are what it makes of them, and those of a file of up to 1 MiB stay in memory: they are not parsed a second time.
    """

    def __init__(
        self, where: str, kind: JsonType, read: Callable[[int], Iterator[bytes]], brief: Brief | None = None
    ) -> None:
        self._where, self._kind, self._lines, self._brief = where, kind, read, brief
        self._length = self._last = end = 0
        self._kept: list[dict[str, Any]] | None = None if brief is None else []
        for line in self._lines(0):
            self._length += 1
            self._last, end = end, end + len(line)
            content = self._parsed(self._length, line)
            if end > _KEPT:
                self._kept = None
            if self._kept is not None:
                self._kept.append(content)

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[dict[str, Any]]:
        if self._kept is not None:
            return iter(self._kept)
        return (self._parsed(number, line) for number, line in enumerate(self._lines(0), start=1))

    def __getitem__(self, place: int) -> dict[str, Any]:  # type: ignore[override]  # no slices: they are read by iteration
        if not -self._length <= place < self._length:
            raise IndexError(place)
        if self._kept is not None:
            return self._kept[place]
        place %= self._length
        if place == self._length - 1:
            return self._parsed(self._length, next(self._lines(self._last)))
        return next(islice(self, place, None))

    def _parsed(self, number: int, line: bytes) -> dict[str, Any]:
        try:
            content = parse_json(line.rstrip(b"\r\n").decode("utf-8"))
            problem = type_problem(content, self._kind, "it")
        except ValueError as error:
            problem = str(error)
        if problem:
            raise RequestError(f"{self._where} is broken: line {number} is not that of an epoch ({problem:.300}).")
        return content if self._brief is None else self._brief(content)


def all_losses(where: str, lines: JsonLines) -> list[float]:
    """Return the training loss of every step from the lines of all epochs. Raises RequestError for another value."""
    losses = [loss for line in lines for loss in line["losses"]]
    if problem := next(filter(None, (type_problem(loss, float, "a loss") for loss in losses)), None):
        raise RequestError(f"{where} is broken: {problem}.")
    return losses
