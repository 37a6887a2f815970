"""Bring older runs up to date, in folders of their own and in archives: `python scripts/migrate_runs.py FOLDER …`.

Version 0.1 (schema 2) named a run by every key of its configuration, class paths included; the present schema names it
by its settings (`frod_bench.record.identity`). Settings of identity version 2 have the old names of some options
(`frod_bench.record.renamed_keys`). Every digest is checked before anything changes and computed anew afterwards; a run
whose files were edited is left as it is and reported. A folder named after the old identity is renamed.
"""

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from frod_bench.config.catalogue import settings
from frod_bench.files import save_text
from frod_bench.record import RunRecord, identity_of
from frod_bench.record.archive import CONFIG, RECORD, SUFFIX, archive_line
from frod_bench.record.identity import IDENTITY_VERSION
from frod_bench.record.renamed_keys import with_current_keys

VERSION_0_1 = 2  # its schema
_PROBLEMS = (ValueError, KeyError, OSError)
Outcome = tuple[Path, bool | Exception]  # a run, and whether it was changed or why it was left as it is


class Migrated(NamedTuple):
    """The new texts of a run's `record.json` and `config.yaml`, and the name of its folder."""

    record: str
    config: str
    name: str


def main(folders: list[str]) -> int:
    """Migrate every run in or below the folders; return 1 when one was left as it is, else 0."""
    if not folders:
        sys.exit(__doc__)
    changed, left = 0, 0
    for place in sorted(
        place for folder in folders for kind in (RECORD, f"*{SUFFIX}") for place in Path(folder).rglob(kind)
    ):
        migrate = migrate_archive if place.name.endswith(SUFFIX) else migrate_folder
        for run, outcome in migrate(place):
            changed += outcome is True
            if isinstance(outcome, Exception):
                left += 1
                print(f"{run} is left as it is: {outcome}", file=sys.stderr)
    print(f"{changed} runs brought up to date, {left} left as they are")
    return 1 if left else 0


def migrate_folder(record: Path) -> Iterator[Outcome]:
    """Migrate the run of a `record.json`."""
    run = record.parent
    try:
        listed = json.loads(record.read_text(encoding="utf-8")).get("files", {})
        files = {name: run / name for name in (RECORD, CONFIG, *listed)}
        new = migrated(run.name, {name: file.read_bytes() for name, file in files.items() if file.exists()})
        if new is not None:
            save_text(run / CONFIG, new.config)
            save_text(record, new.record)
            run.rename(run.with_name(new.name))
        yield run, new is not None
    except _PROBLEMS as error:
        yield run, error


def migrate_archive(archive: Path) -> Iterator[Outcome]:
    """Migrate the runs of an archive."""
    lines, outcomes = {}, []
    for line in archive.read_text(encoding="utf-8").splitlines():
        content = json.loads(line)
        path, files = Path(content["run"]), content["files"]
        try:
            new = migrated(path.name, {name: text.encode() for name, text in files.items()})
            outcomes.append((archive / path, new is not None))
            if new is not None:
                path, files = path.with_name(new.name), files | {RECORD: new.record, CONFIG: new.config}
        except _PROBLEMS as error:
            outcomes.append((archive / path, error))
        lines[path.as_posix()] = files
    if any(outcome is True for _, outcome in outcomes):
        save_text(archive, "".join(archive_line(*line) for line in sorted(lines.items())))
    yield from outcomes


def migrated(name: str, files: Mapping[str, bytes]) -> Migrated | None:
    """Return a run as it is named and written today, or None if it is up to date; `files` holds its files by path.

    Raises ValueError for a file that was edited.
    """
    content = json.loads(files[RECORD])
    old_schema = content.get("schema") == VERSION_0_1
    if not old_schema and content.get("identity_version") == IDENTITY_VERSION:
        return None
    if content.pop("digest", None) != _digest(_canonical(content)):
        raise ValueError(f"the record of {name} was edited after it was written")
    for file, digest in content["files"].items():
        if file in files and digest != _digest(files[file]):
            raise ValueError(f"{file} of {name} is not the file that its record names")
    old = content.pop("config_hash") if old_schema else content["identity"]
    head, _, text = files[CONFIG].decode().partition("\n")
    if head != f"# {'config_hash' if old_schema else 'identity'}: {old}":
        raise ValueError(f"the config.yaml of {name} belongs to another run")
    config = with_current_keys(yaml.safe_load(text))
    own = settings(config) if old_schema else with_current_keys(content["settings"])
    identity = identity_of(own)
    config_text = f"# identity: {identity}\n{yaml.safe_dump(config, sort_keys=False, allow_unicode=True)}"
    if CONFIG in content["files"]:
        content["files"][CONFIG] = _digest(config_text.encode())
    content |= {"schema": RunRecord.schema, "identity_version": IDENTITY_VERSION, "identity": identity, "settings": own}
    content["memory"] = with_current_keys(content["memory"], "train.")
    stem = name.removesuffix(f"-{old[:8]}")
    return Migrated(RunRecord(**content).to_json(), config_text, name if stem == name else f"{stem}-{identity[:8]}")


def _canonical(content: dict[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
