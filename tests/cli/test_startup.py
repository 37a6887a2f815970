"""Helps, listings, refusals and the skipping of a complete run import none of the libraries that take seconds."""

import json
import os
import subprocess
import sys

import pytest

from frod_bench.cli import COMMANDS

SLOW = [
    "torch",
    "transformers",
    "peft",
    "datasets",
    "accelerate",
    "torchvision",
    "open_clip",
    "scipy.stats",
    "matplotlib",
]
WORDS = [
    *("--help", "--version", "list tasks", "list methods", "list backbones", "--cfg job"),
    *(f"{command} --help" for command in COMMANDS),
    *("bench step --help", "report stats --help", "report html --help", "report table4 --help"),
    "report multitask --help",
    *("methd=frod", "method=frd", "task=glue/rt", "method=frod train.epochs=0", "method=lora method.sparsity=0.1"),
    *(
        "table 9",
        "table 4 --methods frd",
        "plan 4 --gpu typo",
        "audit --only typo",
        "audit --list",
        "bench step --shape x",
    ),
    *(
        "report nowhere",
        "report table4 nowhere",
        "figure 4 nowhere",
        "export nowhere --to x",
        "profile=smoke data.root=3",
        "task=own/text",
        "task=own/images task.train=nowhere",
    ),
]
EVERY = """
import contextlib, io, json, sys
from frod_bench.cli import run_command

found = {}
for words in json.loads(sys.argv[1]):
    sys.argv = ["frod-bench"]
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()):
        try:
            code = run_command(words.split())
        except SystemExit as end:
            code = end.code
    slow = [name for name in json.loads(SLOW) if name in sys.modules]
    found[words] = [code, slow, max(map(len, out.getvalue().splitlines()), default=0)]
print(json.dumps(found))
"""


def loaded_by(words, folder):
    """Return for each command its exit code, the slow libraries that are imported after it, and its widest line.

    All run in one process.
    """
    code = f"SLOW = {json.dumps(SLOW)!r}\n{EVERY}"
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(words)], capture_output=True, text=True, cwd=folder, env=os.environ
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return loaded_by(WORDS, tmp_path_factory.mktemp("here"))


def test_what_computes_nothing_imports_nothing_slow(found):
    assert {words: slow for words, (_, slow, _) in found.items() if slow} == {}
    assert {words for words, (code, _, _) in found.items() if code not in (0, 2)} == set()


def test_helps_fit_a_terminal(found):
    assert {words: width for words, (_, _, width) in found.items() if words.endswith("--help") and width > 120} == {}


def test_skipping_a_complete_run_imports_nothing_slow(smoke, tmp_path, monkeypatch):
    words = ("method=lora", "task=glue/rte", "data.max_eval=4")
    assert smoke(*words)[0] == 0
    again = " ".join(("profile=smoke", "train.epochs=1", "data.max_train=16", *words))
    assert loaded_by([again], tmp_path)[again][:2] == [0, []]
