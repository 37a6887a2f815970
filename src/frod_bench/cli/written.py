"""Writing the files of `--to`."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from frod_bench.console import show
from frod_bench.errors import RequestError
from frod_bench.files import save_text


@contextmanager
def writing(place: Path) -> Iterator[None]:
    """Turn an OSError inside the block into a RequestError that names the file and `--to`."""
    try:
        yield
    except OSError as error:
        file = error.filename or place
        raise RequestError(f"{file} cannot be written ({error.strerror}). Give another --to.") from error


def check_folder(folder: Path) -> None:
    """Raise RequestError unless `folder` is new or empty."""
    try:
        if folder.exists() and any(folder.iterdir()):
            raise RequestError(f"{folder} is not empty. Give another folder to --to.")
    except OSError as error:  # it is a file, or nobody may look into it
        raise RequestError(f"--to {folder} is no folder to write to ({error.strerror}). Give a new one.") from error


def write_texts(folder: Path, texts: Mapping[str, str]) -> list[Path]:
    """Write each text into `folder` under its name and return the files. Raises RequestError on failure."""
    files = [folder / name for name in texts]
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for file, text in zip(files, texts.values(), strict=True):
            save_text(file, text)
    return files


def say_written(files: list[Path]) -> None:
    """Print the paths of the files, after an empty line."""
    show("\nwritten: " + ", ".join(map(str, files)))
