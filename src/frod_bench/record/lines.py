"""JSON lines as a sequence that is read anew at every access, so that it takes the memory of one line."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from frod_bench.errors import RequestError
from frod_bench.reading import parse_json, read_lines
from frod_bench.record.json_types import JsonType, type_problem


def file_lines(file: Path, kind: JsonType) -> "JsonLines":
    """Return the lines of a file, none if there is no file. Raises RequestError for a broken line."""
    return JsonLines(str(file), kind, lambda start: read_lines(file, start) if file.exists() else iter(()))


class JsonLines(Sequence[dict[str, Any]]):
    """The lines that `read` yields from a byte offset on, each an object of the type `kind` (see `type_problem`).

    All lines are checked on creation; a broken one raises RequestError, which names `where`.
    """

    def __init__(self, where: str, kind: JsonType, read: Callable[[int], Iterator[bytes]]) -> None:
        self._where, self._kind, self._lines = where, kind, read
        self._length = self._last = end = 0
        for line in self._lines(0):
            self._length += 1
            self._last, end = end, end + len(line)
            self._parsed(self._length, line)

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self._parsed(number, line) for number, line in enumerate(self._lines(0), start=1))

    def __getitem__(self, place: int) -> dict[str, Any]:  # type: ignore[override]  # no slices: they are read by iteration
        if not -self._length <= place < self._length:
            raise IndexError(place)
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
        return content


def all_losses(where: str, lines: JsonLines) -> list[float]:
    """Return the training loss of every step from the lines of all epochs. Raises RequestError for another value."""
    losses = [loss for line in lines for loss in line["losses"]]
    if problem := next(filter(None, (type_problem(loss, float, "a loss") for loss in losses)), None):
        raise RequestError(f"{where} is broken: {problem}.")
    return losses
