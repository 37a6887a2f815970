"""The name of a run follows what counts in its configuration, and nothing else."""

import copy
from pathlib import Path

import pytest

from frod_bench.cli.identity import default_directory, identity

CONFIG = {
    "backbone": {"name": "minilm", "path": None, "facts": {"layers": 6}},
    "task": {"name": "glue/rte", "rows": {"train": 2490}, "version": 1},
    "method": {"name": "frod", "description": "words", "sparsity": 0.02},
    "profile": {"name": "offline"},
    "train": {"epochs": 3, "device": "auto", "lr": {"diag": 0.1}},
    "wandb": {"mode": "disabled"},
    "seed": 1,
    "out": None,
    "force": False,
}


def changed(path, value):
    config = copy.deepcopy(CONFIG)
    *parents, leaf = path.split(".")
    node = config
    for parent in parents:
        node = node[parent]
    node[leaf] = value
    return config


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("out", "there"),
        ("force", True),
        ("wandb.mode", "online"),
        ("train.device", "cpu"),
        ("method.description", "other words"),
        ("backbone.facts", {}),
        ("task.rows", {}),
        ("task.packaged", "elsewhere"),
        ("train.a_later_option", None),
    ],
)
def test_what_changes_no_number_does_not_count(path, value):
    assert identity(changed(path, value)) == identity(CONFIG)


@pytest.mark.parametrize(
    ("path", "value"),
    [("seed", 2), ("train.lr.diag", 0.2), ("method.sparsity", 0.01), ("backbone.path", "x"), ("task.version", 2)],
)
def test_everything_else_counts(path, value):
    assert identity(changed(path, value)) != identity(CONFIG)


def test_the_directory_names_the_choices_and_the_seed(monkeypatch):
    monkeypatch.setenv("FROD_BENCH_OUT", "somewhere")
    expected = Path("somewhere/offline/minilm/glue/rte/frod") / f"seed1-{identity(CONFIG)[:8]}"
    assert default_directory(CONFIG) == expected
