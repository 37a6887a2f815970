"""Imports go one way; the rules are a table and every source file is read."""

import ast
import sys
from pathlib import Path

import pytest

import frod_bench

SOURCE = Path(frod_bench.__file__).parent
PACKAGE = "frod_bench"

# files that are no package, which every package may import
BASICS = (
    *("console", "disk_cache", "errors", "escape", "files", "locks"),
    *("module_names", "peft_tuners", "plain_yaml", "reading"),
)

# what the trainer may know of methods
METHOD_PROTOCOL = ("methods.support.adapted", "methods.support.method")

# package: what of frod_bench it may import, as prefixes of module names
ALLOWED = {
    "errors": [],
    "escape": [],
    "console": ["escape"],
    "files": [],
    "module_names": [],
    "peft_tuners": [],
    "reading": ["errors"],
    "plain_yaml": ["errors", "reading"],
    "locks": ["console", "files"],
    "disk_cache": ["console", "locks"],
    "ops": ["ops", "errors"],
    "linalg": ["linalg", "ops", *BASICS],
    "adapters": ["adapters", "linalg", "ops", *BASICS],
    "methods": ["methods", "adapters", "linalg", "ops", *BASICS],
    "backbones": ["backbones", *BASICS],
    "tasks": ["tasks", *BASICS],
    "record": ["record", *BASICS],
    "report": ["report", "record", *BASICS],
    "landscape": ["landscape", *BASICS],
    "merging": ["merging", *BASICS],
    "train": [
        "train",
        "methods.support.adapted",
        "methods.support.method",
        "ops.sharding",
        "tasks.base",
        "record",
        *BASICS,
    ],
    "config": [
        "config",
        "train.tracker",
        "train.settings",
        "train.product_rate",
        "methods",
        "backbones",
        "tasks",
        "record",
        *BASICS,
    ],
    "runs": ["runs", "config", "train", "merging", "landscape", "methods", "backbones", "tasks", "record", *BASICS],
    "bench": ["bench", "config", "train", "backbones", "methods", "adapters", "linalg", "ops", *BASICS],
    "audit": ["audit", "report", "config", "backbones", "methods", "adapters", "linalg", "ops", "record", *BASICS],
    "forecast": [
        *("forecast", "runs", "config", "train", "merging", "methods", "ops.cost"),
        *("backbones", "tasks", "record", *BASICS),
    ],
    "grid": ["grid", "forecast", "runs", "config", "report", "record", *BASICS],
    "cli": [""],
}
KNOW_HYDRA = {"config", "grid", "cli"}
HYDRA = {"hydra", "omegaconf"}
TO_READ_PREDICTIONS = {"numpy", "pyarrow"}  # all that a record needs beyond the standard library
WITHOUT_TORCH = {"torch", "torchvision", "transformers", "accelerate", "datasets", "peft", "evaluate"}


def imported(text: str, module: str) -> set[str]:
    """Return the full names of all modules that a source text imports, also inside functions."""
    names = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level:
            base = module.split(".")[: -node.level]
            names.add(".".join([*base, *filter(None, [node.module])]))
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module)
            if node.module == PACKAGE:
                names |= {f"{PACKAGE}.{alias.name}" for alias in node.names}
    return names


def violations(text: str, module: str) -> list[str]:
    """Return the imports of `module` (its full name) that break a rule."""
    package = module.split(".")[1]
    found = []
    for name in sorted(imported(text, module)):
        top = name.split(".")[0]
        if top == PACKAGE:
            inner = name.removeprefix(PACKAGE).lstrip(".")
            allowed = any(not a or inner == a or inner.startswith(f"{a}.") for a in ALLOWED[package])
            if inner and not allowed:
                found.append(name)
        elif (
            (package not in KNOW_HYDRA and top in HYDRA)
            or (package == "report" and top in WITHOUT_TORCH)
            or (package == "errors" and top not in sys.stdlib_module_names)
            or (package == "record" and top not in sys.stdlib_module_names | TO_READ_PREDICTIONS)
        ):
            found.append(name)
    return found


def modules() -> list[tuple[Path, str]]:
    files = sorted(SOURCE.rglob("*.py"))
    named = [(file, ".".join([PACKAGE, *file.relative_to(SOURCE).with_suffix("").parts])) for file in files]
    return [(file, name) for file, name in named if file.parent != SOURCE or file.stem in BASICS]


def test_every_package_has_a_rule():
    folders = {file.parent.name for file in SOURCE.glob("*/__init__.py")}
    assert folders == set(ALLOWED) - set(BASICS)


@pytest.mark.parametrize("package", ALLOWED)
def test_no_file_imports_the_wrong_way(package):
    own = [(file, name) for file, name in modules() if name.split(".")[1] == package]
    assert own
    assert {name: bad for file, name in own if (bad := violations(file.read_text(encoding="utf-8"), name))} == {}


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("ops.x", "from frod_bench.adapters.frod import FrodLinear"),
        ("tasks.x", "from frod_bench.backbones import base"),
        ("train.x", "from frod_bench.methods.frod import Frod"),
        ("train.x", "from frod_bench.methods import make_method"),
        ("train.x", "def f():\n    from frod_bench.runs.job import run_job"),
        ("runs.x", "from frod_bench.forecast.memory import what_would_fit"),
        ("config.x", "from frod_bench.runs.job import run_job"),
        ("forecast.x", "from frod_bench.grid.cells import Cell"),
        ("runs.x", "import hydra"),
        ("train.x", "import omegaconf"),
        ("record.x", "import yaml"),
        ("report.x", "import torch.nn"),
        ("report.x", "from frod_bench import methods"),
        ("report.x", "from frod_bench.config.catalogue import settings"),
        ("report.x", "from omegaconf import OmegaConf"),
        ("methods.x", "from ..train import fit"),
        ("landscape.x", "from frod_bench.record import RunDirectory"),
    ],
)
def test_a_wrong_import_is_found(module, line):
    assert violations(line, f"{PACKAGE}.{module}")


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("adapters.x", "from frod_bench.ops.diag_sparse import Pattern"),
        ("train.x", "from frod_bench.methods.support.adapted import Adapted"),
        ("cli.x", "import hydra\nfrom frod_bench.methods import make_method"),
        ("report.x", "import matplotlib\nfrom frod_bench.record import RunRecord"),
    ],
)
def test_a_right_import_passes(module, line):
    assert violations(line, f"{PACKAGE}.{module}") == []
