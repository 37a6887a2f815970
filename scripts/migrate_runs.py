"""Bring the records of version 0.1 (schema 2) up to date: `python scripts/migrate_runs.py FOLDER …`.

Version 0.1 named a run by every key of its configuration, class paths included. The present schema names it by its
settings (`frod_bench.record.identity`). Every digest is checked before anything changes and computed anew afterwards;
a run whose files were edited is left as it is and reported. A folder named after the old identity is renamed.
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import yaml

from frod_bench.config.catalogue import settings
from frod_bench.files import save_text
from frod_bench.record import RunRecord, identity_of

OLD_SCHEMA, OLD_LINE = 2, "# config_hash: "


def main(folders: list[str]) -> int:
    """Migrate every run below the folders; return 1 when one was left as it is, else 0."""
    if not folders:
        sys.exit(__doc__)
    migrated, left = 0, 0
    for file in sorted(file for folder in folders for file in Path(folder).rglob("record.json")):
        try:
            migrated += migrate(file.parent)
        except (ValueError, KeyError, OSError) as error:
            left += 1
            print(f"{file.parent} is left as it is: {error}", file=sys.stderr)
    print(f"{migrated} runs brought up to date, {left} left as they are")
    return 1 if left else 0


def migrate(run: Path) -> bool:
    """Migrate one run; return whether it had the old schema. Raises ValueError when its files were edited."""
    content = json.loads((run / "record.json").read_text(encoding="utf-8"))
    if content.get("schema") != OLD_SCHEMA:
        return False
    if content.pop("digest", None) != _digest(_canonical(content)):
        raise ValueError("its record was edited after it was written")
    for name, digest in content["files"].items():
        if (run / name).exists() and digest != _digest((run / name).read_bytes()):
            raise ValueError(f"{name} is not the file that its record names")
    old = content.pop("config_hash")
    head, _, text = (run / "config.yaml").read_text(encoding="utf-8").partition("\n")
    if head != f"{OLD_LINE}{old}":
        raise ValueError("its config.yaml belongs to another run")
    own = settings(yaml.safe_load(text))
    identity = identity_of(own)
    config = f"# identity: {identity}\n{text}"
    if "config.yaml" in content["files"]:
        content["files"]["config.yaml"] = _digest(config.encode())
    record = RunRecord(**content | {"schema": RunRecord.schema, "identity": identity, "settings": own})
    save_text(run / "config.yaml", config)
    save_text(run / "record.json", record.to_json())
    if run.name.endswith(f"-{old[:8]}"):
        run.rename(run.with_name(run.name.replace(old[:8], identity[:8])))
    return True


def _canonical(content: dict[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
