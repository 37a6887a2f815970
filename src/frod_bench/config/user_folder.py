"""A user's folder of configuration files, in the layout of `configs/`: `--config-dir DIR`.

Its tasks, backbones, methods, profiles and sweeps are registered as the package's are.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml
from omegaconf.errors import OmegaConfBaseException

from frod_bench.config.catalogue import GROUPS, read_choice
from frod_bench.config.paths import USER_CONFIGS, config_dir
from frod_bench.errors import RequestError

_FLAGS = ("--config-dir", "-cd")


def take_config_dir(argv: list[str]) -> tuple[list[str], str | None]:
    """Return the words without `--config-dir DIR`, and DIR, by default `$FROD_BENCH_CONFIG_DIR`.

    Raises RequestError for the flag without a value.
    """
    rest, folder, words = [], os.environ.get(USER_CONFIGS), iter(argv)
    for word in words:
        flag, equals, value = word.partition("=")
        if flag not in _FLAGS:
            rest.append(word)
        elif not (folder := value if equals else next(words, "")):
            raise RequestError(f"{flag} takes a folder in the layout of configs/: {flag} DIR.")
    return rest, folder


@contextmanager
def registered(folder: str | None) -> Iterator[None]:
    """Register the files of a user's folder inside the block; None registers nothing.

    Raises RequestError for a folder that does not exist, and for a file that cannot be registered.
    """
    before = os.environ.pop(USER_CONFIGS, None)
    try:
        if folder is not None:
            os.environ[USER_CONFIGS] = str(Path(folder).resolve())
            _check(Path(folder).resolve())
        yield
    finally:
        os.environ.pop(USER_CONFIGS, None)
        if before is not None:
            os.environ[USER_CONFIGS] = before


def _check(folder: Path) -> None:
    if not folder.is_dir():
        raise RequestError(f"--config-dir {folder} is not a folder.")
    for file in sorted(folder.rglob("*.yaml")):
        place = file.relative_to(folder)
        if (config_dir() / place).exists():
            raise RequestError(f"{file} has the name of a file of frod-bench, which would be read instead. Rename it.")
        group, name = place.parts[0], place.relative_to(place.parts[0]).with_suffix("").as_posix()
        if group in GROUPS and not place.name.startswith("_") and not name.startswith("default/"):
            _check_choice(file, group, name)


def _check_choice(file: Path, group: str, name: str) -> None:
    """Raise RequestError for a choice without what the identity of its runs needs: its own name and a version."""
    try:
        content = read_choice(group, name)
    except (yaml.YAMLError, OmegaConfBaseException, OSError, KeyError) as error:
        raise RequestError(f"{file} cannot be read: {' '.join(str(error).split())}.") from error
    if content.get("name") != name:
        raise RequestError(f"{file} must set name: {name}, which is how it is chosen, and sets {content.get('name')}.")
    if not isinstance(content.get("version"), int):
        raise RequestError(
            f"{file} has no version. Add version: 1, and raise it with every change of a value: runs are named by it."
        )
