"""No code of others is run and no pickle is read: what could do so, found by name in every source file."""

import ast
from pathlib import Path

import pytest

import frod_bench

PACKAGE = Path(frod_bench.__file__).parent
SCRIPTS = PACKAGE.parents[1] / "scripts"
FILES = sorted(PACKAGE.rglob("*.py")) + sorted(SCRIPTS.glob("*.py"))

# modules that read code or pickles as data; to import one is to use it
MODULES = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal", "runpy", "code", "imp"}
# names that run what they are given; to speak of one is to use it
RUNNERS = {
    *("exec", "eval", "compile", "__import__", "builtins.exec", "builtins.eval", "builtins.compile"),
    *("builtins.__import__", "importlib.import_module", "importlib.__import__", "importlib.reload"),
    *("importlib.util.spec_from_file_location", "importlib.util.module_from_spec", "importlib.machinery"),
    *("os.system", "os.popen", "pty.spawn", "subprocess.getoutput", "subprocess.getstatusoutput"),
    *("asyncio.create_subprocess_shell", "ctypes.CDLL", "ctypes.cdll", "torch.hub", "torch.ops.load_library"),
    *("torch.utils.cpp_extension", "torch.jit.load", "torch.package", "torch.serialization.add_safe_globals"),
    *("yaml.load", "yaml.load_all", "yaml.unsafe_load", "yaml.unsafe_load_all", "yaml.full_load", "yaml.full_load_all"),
    *("yaml.Loader", "yaml.UnsafeLoader", "yaml.FullLoader", "pandas.read_pickle"),
    *("hydra.utils.instantiate", "hydra.utils.call", "hydra.utils.get_class", "hydra.utils.get_method"),
    *("hydra.utils.get_object", "pydoc.locate", "pkgutil.resolve_name"),
}
# calls that are safe with this keyword, written out, and with no other value
GUARDED = {"torch.load": ("weights_only", True), "numpy.load": ("allow_pickle", False)}
LOADERS = {"from_pretrained", "from_config"}  # of a class Auto...: safe where trust_remote_code=False is written out
NEVER = {  # keywords with a value that no call may have
    "shell": True,
    "trust_remote_code": True,
    "allow_pickle": True,
    "weights_only": False,
}

# file: name: why it may stand there. What is allowed and no longer there fails, too.
ALLOWED = {
    "audit/fork_process.py": {"exec": "two files of a release at known hashes; its own process, with --run-code only"},
    "methods/__init__.py": {"importlib.import_module": "a file of this package, by a name out of its own list"},
    "cli/__init__.py": {"importlib.import_module": "a sub-command of this package, by a word out of its own list"},
    "config/instantiate.py": {"importlib.import_module": "a file of this package, by a name out of its own list"},
    "cli/bench.py": {"importlib.import_module": "a benchmark of this package, by a word out of its own list"},
    "bench/peak.py": {"ctypes.CDLL": "the C library that this process has loaded already"},
    "train/memory.py": {"ctypes.CDLL": "the C library that this process has loaded already"},
    "cli/report.py": {"importlib.import_module": "a report of this package, by a word out of its own list"},
}


def untrusting(text: str) -> list[str]:
    """Return what in a source text reads pickles or may run code of others: names, by what they were imported as."""
    tree = ast.parse(text)
    known = _imported(tree)
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if _is(alias.name, MODULES | RUNNERS)]
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names] if not node.level else []
            found += [name for name in names if _is(name, MODULES | RUNNERS | set(GUARDED))]
        if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
            name = _dotted(node, known)
            found += [name] if name in RUNNERS or _is(name, RUNNERS - _BUILTIN) else []
        if isinstance(node, ast.Call):
            found += _calls(node, known)
    return list(dict.fromkeys(found))


_BUILTIN = {name for name in RUNNERS if "." not in name}


def _calls(node: ast.Call, known: dict[str, str]) -> list[str]:
    name = _dotted(node.func, known)
    keywords = {k.arg: k.value.value if isinstance(k.value, ast.Constant) else ... for k in node.keywords}
    found = [
        f"{name}({word}={value})" for word, value in NEVER.items() if _may_be(keywords.get(word, not value), value)
    ]
    guard, safe = GUARDED.get(name, (None, None))
    if guard and keywords.get(guard) is not safe:
        found.append(name)
    owner, _, last = name.rpartition(".")
    kind = owner.rpartition(".")[2]
    automatic = last in LOADERS and (kind.startswith("Auto") or kind == "auto")
    if automatic and keywords.get("trust_remote_code") is not False:
        found.append(name)
    literal = node.args[1].value if len(node.args) > 1 and isinstance(node.args[1], ast.Constant) else None
    if name in ("getattr", "builtins.getattr") and _is(f"{_dotted(node.args[0], known)}.{literal}", RUNNERS):
        found.append(f"getattr {literal}")
    return found


def _may_be(value: object, forbidden: object) -> bool:
    """Return whether a keyword may have a value: what is no constant may have any."""
    return value is ... or value is forbidden


def _imported(tree: ast.AST) -> dict[str, str]:
    """Return what every imported name stands for."""
    known = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            known |= {alias.asname: alias.name for alias in node.names if alias.asname}
        if isinstance(node, ast.ImportFrom) and not node.level:
            known |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return known


def _dotted(node: ast.AST, known: dict[str, str]) -> str:
    """Return a name like `torch.load`, whatever the module is called in this file; '?' for what is no name."""
    if isinstance(node, ast.Name):
        return known.get(node.id, node.id)
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value, known)}.{node.attr}"
    return "?"


def _is(name: str, names: set[str]) -> bool:
    """Return whether a dotted name is one of these, or stands below one."""
    parts = name.split(".")
    return any(".".join(parts[: count + 1]) in names for count in range(len(parts)))


def _allowed(file: Path) -> dict[str, str]:
    return ALLOWED.get(file.relative_to(PACKAGE).as_posix(), {}) if file.is_relative_to(PACKAGE) else {}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_no_file_trusts(file):
    assert [name for name in untrusting(file.read_text(encoding="utf-8")) if name not in _allowed(file)] == []


@pytest.mark.parametrize("name", ALLOWED)
def test_what_is_allowed_is_needed(name):
    found = untrusting((PACKAGE / name).read_text(encoding="utf-8"))
    assert set(ALLOWED[name]) <= set(found) and all(ALLOWED[name].values())


@pytest.mark.parametrize(
    "line",
    [
        "exec(text)",
        "exec(compile(text, 'x', 'exec'), names)",
        "eval(text)",
        "run = exec; run(text)",
        "import builtins; builtins.exec(text)",
        "from builtins import eval as read; read(text)",
        "import builtins as b; getattr(b, 'exec')(text)",
        "__import__(name)",
        "import importlib; importlib.import_module(name)",
        "from importlib import import_module",
        "from importlib import util; util.spec_from_file_location(a, b)",
        "import runpy; runpy.run_path(p)",
        "import pickle",
        "import pickle as p",
        "from pickle import loads",
        "from joblib import load",
        "import torch; torch.load(f)",
        "import torch; torch.load(f, weights_only=False)",
        "import torch; torch.load(f, weights_only=flag)",
        "import torch as t; t.load(f)",
        "from torch import load",
        "import torch; torch.hub.load(a, b)",
        "import torch; torch.jit.load(f)",
        "import numpy as np; np.load(f)",
        "import numpy as np; np.load(f, allow_pickle=True)",
        "import pandas as pd; pd.read_pickle(f)",
        "import yaml; yaml.load(f)",
        "import yaml; yaml.load(f, Loader=yaml.SafeLoader)",
        "import yaml; yaml.unsafe_load(f)",
        "from yaml import full_load",
        "import os; os.system(c)",
        "from os import popen",
        "import subprocess; subprocess.run(c, shell=True)",
        "from subprocess import run; run(c, shell=flag)",
        "import subprocess as s; s.getoutput(c)",
        "from hydra.utils import instantiate",
        "import hydra; hydra.utils.instantiate(c)",
        "from transformers import AutoTokenizer; AutoTokenizer.from_pretrained(d)",
        "import transformers; transformers.AutoModel.from_config(c)",
        "from transformers import AutoModel; AutoModel.from_pretrained(d, trust_remote_code=True)",
        "from transformers import AutoModel; AutoModel.from_pretrained(d, trust_remote_code=flag)",
        "auto.from_pretrained(d)",
        "load_dataset(d).map(x, trust_remote_code=True)",
        "def f():\n    import dill",
    ],
)
def test_what_trusts_is_found(line):
    assert untrusting(line)


@pytest.mark.parametrize(
    "line",
    [
        "import torch; torch.load(f, weights_only=True)",
        "import numpy as np; np.load(f, allow_pickle=False)",
        "import json; json.load(f)",
        "self.load(rows)",
        "model.eval()",
        "import re; re.compile(p)",
        "import torch; torch.compile(m)",
        "import yaml; yaml.safe_load(f)",
        "import subprocess; subprocess.run(['git', 'log'], shell=False)",
        "from frod_bench.config import instantiate",
        "import importlib.metadata; importlib.metadata.version('torch')",
        "from transformers import AutoModel; AutoModel.from_pretrained(d, trust_remote_code=False)",
    ],
)
def test_what_does_not_passes(line):
    assert untrusting(line) == []
