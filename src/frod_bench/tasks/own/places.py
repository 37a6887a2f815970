"""Where the rows of one's own lie: files, a folder, or a data set of the hub. Needs neither torch nor `datasets`.

What the rows are is a fingerprint of the bytes. Where they lie is no part of it, so a run of the same rows elsewhere is
the same run.
"""

import hashlib
import re
from collections.abc import Iterator
from functools import cache
from glob import glob
from pathlib import Path
from typing import Any, NamedTuple

from frod_bench.errors import RequestError

HUB = "hub:"
_HUB_NAME = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+?)(/(?P<config>[\w.-]+))?(:(?P<split>\w+))?")
_FORM = f"{HUB}OWNER/NAME:SPLIT, or {HUB}OWNER/NAME/CONFIG:SPLIT"
_OF_SYSTEMS = ("thumbs.db", "desktop.ini", "__macosx")  # what file managers leave in folders
_NO_NAMES = ("train", "training", "data", "dataset", "rows", "all")  # files that many people have


class HubRows(NamedTuple):
    """A split of a data set on the hub; `config` is "" where none is named."""

    repo: str
    config: str
    split: str

    def __str__(self) -> str:
        return f"{HUB}{'/'.join(filter(None, (self.repo, self.config)))}:{self.split}"


def find(place: Any, option: str) -> HubRows | list[Path]:
    """Return what a value of `option` names: a split on the hub, one folder, or files in the order of reading.

    Raises RequestError when there is nothing.
    """
    if isinstance(place, str) and place.startswith(HUB):
        return _on_hub(place, option)
    words = place if isinstance(place, list) else [place]
    if not words or not all(isinstance(word, str | int | float) and str(word) for word in words):
        raise RequestError(f"{option}={place} is not accepted: a file, a list of files, a folder, or {_FORM}.")
    return [path for word in words for path in _matching(str(word), option)]


def entries(folder: Path) -> list[Path]:
    """Return what lies in a folder, sorted by name, without hidden files and those that a file manager leaves."""
    return sorted(path for path in folder.iterdir() if not _is_ignored(path.name))


def content_of(place: Any, option: str) -> str | None:
    """Return what the rows at a place are: "sha256:…", or the name on the hub; None for no place.

    For one file, the digest is that of its bytes, as `sha256sum` prints it; for a folder or several files, that of
    lines with the digest of each file, and in a folder its path there. Raises RequestError as `find` does.
    """
    if place is None:
        return None
    found = find(place, option)
    if isinstance(found, HubRows):
        return str(found)
    try:
        if len(found) == 1 and found[0].is_file():
            return f"sha256:{_digest_of(found[0])}"
        lines = "".join(line for path in found for line in _lines(path))
    except OSError as error:
        raise RequestError(f"{option}: {error.filename} cannot be read ({error.strerror}).") from error
    return f"sha256:{hashlib.sha256(lines.encode(errors='surrogateescape')).hexdigest()}"


def name_of(choice: str, place: Any) -> str:
    """Return the name of a task with its rows at `place`: own/reviews for reviews.csv, the choice for train.csv."""
    first = place if isinstance(place, str | int | float) else next(iter(place or []), "")
    if isinstance(first, str) and first.startswith(HUB):
        found = _HUB_NAME.fullmatch(first.removeprefix(HUB))
        last = "-".join(filter(None, found.group("repo", "config"))).rpartition("/")[2] if found else ""
    else:
        last = Path(str(first)).name.partition(".")[0]
    slug = re.sub(r"[^\w.-]+", "-", last).strip("-._")[:60]
    return choice if not slug or slug.casefold() in _NO_NAMES else f"{choice.partition('/')[0]}/{slug}"


def _on_hub(place: str, option: str) -> HubRows:
    match = _HUB_NAME.fullmatch(place.removeprefix(HUB))
    if match is None:
        raise RequestError(f"{option}={place} is not accepted: {_FORM}.")
    split = match["split"] or ("train" if option.endswith("train") else None)
    if split is None:
        raise RequestError(f"{option}={place} names no split: add :test, or :validation.")
    return HubRows(match["repo"], match["config"] or "", split)


def _matching(word: str, option: str) -> list[Path]:
    path = Path(word).expanduser()
    if path.exists():
        return [path]
    if found := sorted(Path(name) for name in glob(str(path)) if not _is_ignored(Path(name).name)):
        return found
    hint = f" For a data set of the hub, type {option}={HUB}{word}." if _HUB_NAME.fullmatch(word) else ""
    raise RequestError(f"{option}={word}: there is no such file or folder below {Path.cwd()}.{hint}")


def _lines(path: Path) -> Iterator[str]:
    """Yield the line of a file, or of every file in a folder and in the folders directly below it."""
    if not path.is_dir():
        yield f"{_digest_of(path)}\n"
        return
    for entry in entries(path):
        for file in entries(entry) if entry.is_dir() else [entry]:
            if not file.is_dir():
                yield f"{_digest_of(file)}  {file.relative_to(path).as_posix()}\n"


def _is_ignored(name: str) -> bool:
    return name.startswith(".") or name.casefold() in _OF_SYSTEMS


def _digest_of(file: Path) -> str:
    state = file.stat()
    return _digest(file.absolute(), state.st_size, state.st_mtime_ns)


@cache
def _digest(file: Path, size: int, changed_ns: int) -> str:
    """Return the SHA-256 of a file; a table asks for it once per cell."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
