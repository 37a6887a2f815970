"""A file of JSON lines as a sequence that is read anew each time, so that it takes the memory of one line."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from frod_bench.errors import RequestError
from frod_bench.reading import parse_json, read_lines
from frod_bench.record.kinds import Kind, misfit


class JsonLines(Sequence[dict[str, Any]]):
    """The lines of `file`, each an object of the `kind` that `misfit` describes; none where there is no file.

    Raises RequestError for a line that is broken, at the start for any of them.
    """

    def __init__(self, file: Path, kind: Kind) -> None:
        self._file, self._kind = file, kind
        self._length = self._last = end = 0
        for line in self._lines():
            self._length += 1
            self._last, end = end, end + len(line)
            self._parsed(self._length, line)

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self._parsed(number, line) for number, line in enumerate(self._lines(), start=1))

    def __getitem__(self, place: int) -> dict[str, Any]:
        if not -self._length <= place < self._length:
            raise IndexError(place)
        place %= self._length
        if place == self._length - 1:
            return self._parsed(self._length, next(self._lines(self._last)))
        return next(islice(self, place, None))

    def _lines(self, start: int = 0) -> Iterator[bytes]:
        return read_lines(self._file, start) if self._file.exists() else iter(())

    def _parsed(self, number: int, line: bytes) -> dict[str, Any]:
        try:
            content = parse_json(line.rstrip(b"\r\n").decode("utf-8"))
            problem = misfit(content, self._kind, "it")
        except ValueError as error:
            problem = str(error)
        if problem:
            raise RequestError(f"{self._file} is broken: line {number} is not that of an epoch ({problem:.300}).")
        return content
