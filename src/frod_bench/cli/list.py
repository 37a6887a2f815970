"""`frod-bench list`: the tasks, methods and backbones that the configuration files offer."""

import argparse
import json
from collections.abc import Callable
from dataclasses import replace

from omegaconf import OmegaConf

from frod_bench.backbones.architecture import Architecture
from frod_bench.cli.parser import command_parser
from frod_bench.config.catalogue import read_group
from frod_bench.config.recipe import register_resolvers
from frod_bench.console import show
from frod_bench.errors import RequestError
from frod_bench.peft_tuners import spelled
from frod_bench.report.table import table_of_records, to_text

_WIDTHS = {
    "tasks": {"eval": 6, "metrics": 22, "source": 31},
    "methods": {"description": 64, "citation": 44},
    "backbones": {"source": 25, "targets": 32},
}
_OWN = "task.train=, files or the hub"
_IN_JSON_ALONE = ("suite", "hidden", "head")  # a name begins with its suite; for the others a line has no room
_EXAMPLES = """\
examples:
  frod-bench list tasks
  frod-bench list methods --json
  frod-bench list methods --peft     the tuners of PEFT, for method=peft method.type=; imports PEFT, which takes seconds
"""


def main(argv: list[str]) -> int:
    """Print one kind of configuration as a table or as JSON; reads YAML only, loads no model and no data.

    Raises RequestError for --peft with another kind than methods.
    """
    arguments = _parser().parse_args(argv)
    if arguments.peft and arguments.kind != "methods":
        raise RequestError(
            f"--peft lists tuners, which are methods: frod-bench list methods --peft, not {arguments.kind}."
        )
    rows = _tuners() if arguments.peft else _choices(arguments.kind)
    if arguments.json:
        show(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        shown = [{key: value for key, value in row.items() if key not in _IN_JSON_ALONE} for row in rows]
        table = table_of_records(shown, _text, absent="")
        columns = [replace(column, width=_WIDTHS[arguments.kind].get(column.name)) for column in table.columns]
        show(to_text(replace(table, columns=columns)))
    return 0


def _choices(kind: str) -> list[dict]:
    group, row = _KINDS[kind]
    register_resolvers()
    return [row(name, config) for name, config in read_group(group).items()]


def _tuners() -> list[dict]:
    from frod_bench.methods.support.tuner_options import config_class, defaults, tuner_types  # imports PEFT

    found = {tuner: defaults(config_class(tuner)) for tuner in tuner_types()}
    return [{"type": tuner, "name": spelled(tuner), "config": settings} for tuner, settings in found.items()]


def _task(name: str, config: dict) -> dict:
    rows = config.get("rows", {})
    members = OmegaConf.create({"all": config.get("members", [])}).all  # resolves references as it is read
    sources = [member["name"] for member in members] or ["/".join(filter(None, map(config.get, ("repo", "config"))))]
    sources = [_OWN] if config.get("source") == "own" else sources
    return {
        "name": name,
        "suite": config.get("suite"),
        "classes": len(config.get("label_names", [])) or None,
        "train": rows.get("train"),
        "eval": [count for split, count in rows.items() if split != "train"],
        "metrics": config.get("metrics", []),
        "packaged": config.get("packaged"),
        "source": ", ".join(sources),
    }


def _method(name: str, config: dict) -> dict:
    return {"name": name, "description": config.get("description"), "citation": config.get("citation")}


def _backbone(name: str, config: dict) -> dict:
    facts = config.get("facts", {})
    architecture = Architecture.of(config) if "architecture" in facts else None  # not known of a model of one's own
    return {
        "name": name,
        "source": config.get("id") or config.get("package") or facts.get("source") or "random weights",
        "parameters": facts.get("parameters"),
        "layers": architecture and architecture.layers,
        "hidden": architecture and architecture.hidden,
        "targets": config.get("targets", []),
        "head": config.get("head", []),
    }


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    if isinstance(value, dict):
        return " ".join(f"{name}={_override(each)}" for name, each in value.items())
    return f"{value:,}" if isinstance(value, int) else str(value)


def _override(value: object) -> str:
    """Return a value as an override has it."""
    return str(value).lower() if isinstance(value, bool) else "null" if value is None else str(value)


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "frod-bench list",
        "Show what can be typed for task=, method= and backbone=. A task's line holds the official sizes of its splits,"
        " the package that brings its rows for profile=offline, and its place on the hub.",
        _EXAMPLES,
    )
    parser.add_argument("kind", choices=sorted(_KINDS), help="what to show")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--peft", action="store_true", help="with methods: PEFT's tuners and their settings' defaults")
    return parser


_KINDS: dict[str, tuple[str, Callable[[str, dict], dict]]] = {
    "tasks": ("task", _task),
    "methods": ("method", _method),
    "backbones": ("backbone", _backbone),
}
