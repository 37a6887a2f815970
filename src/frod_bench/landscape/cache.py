"""A loss surface as a CSV that grows point by point, so that an interrupted computation can resume."""

import csv
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from frod_bench.files import refuse_link, replacing
from frod_bench.landscape.surface import Point

Surface = dict[Point, float]
_HEAD = ["x", "y", "loss"]


def read(file: Path) -> Surface:
    """Return the points in the file, {} if there is no file; an incomplete last line is ignored."""
    if not file.exists():
        return {}
    with file.open(encoding="utf-8", newline="") as stream:
        text = stream.read()
    whole = text[: text.rfind("\n") + 1].splitlines()
    rows = (row for row in csv.reader(whole) if row != _HEAD)
    return {(float(x), float(y)): float(loss) for x, y, loss in rows}


def complete(
    file: Path, points: Iterable[Point], compute: Callable[[list[Point]], Iterator[tuple[Point, float]]]
) -> Surface:
    """Return the loss at the points; those missing from the file are computed and appended one by one.

    Raises OSError when the file cannot be written.
    """
    points = [(float(f"{x:.6g}"), float(f"{y:.6g}")) for x, y in points]
    for path in (file.parent, file):
        refuse_link(path)
    known = read(file)
    missing = [point for point in points if point not in known]
    if missing:
        file.parent.mkdir(parents=True, exist_ok=True)
        _rewrite(file, known)
        with file.open("a", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            for (x, y), loss in compute(missing):
                known[x, y] = float(f"{loss:.6g}")
                writer.writerow([x, y, known[x, y]])
                stream.flush()
    return {point: known[point] for point in points}


def _rewrite(file: Path, known: Surface) -> None:
    """Rewrite the file with a header and without an incomplete last line."""
    with replacing(file) as partial, partial.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(_HEAD)
        writer.writerows([x, y, loss] for (x, y), loss in known.items())
