"""The identity of a run follows what changes its numbers, and nothing else."""

import copy
from pathlib import Path

import pytest

from frod_bench.record import default_directory, identity_of, settings_of
from frod_bench.record.identity import (
    COMPUTATION,
    EXPERIMENT,
    NO_EFFECT,
    SOURCE,
    cell_settings,
    effect_of,
    tuning_settings,
    weights_of,
)

CONFIG = {
    "backbone": {"_target_": "a.Class", "name": "minilm", "path": None, "facts": {"layers": 6}},
    "task": {"name": "glue/rte", "rows": {"train": 2490}, "version": 1, "fields": ["a", "b"]},
    "method": {"name": "frod", "description": "words", "sparsity": 0.02, "pattern": "random"},
    "profile": {"name": "offline"},
    "train": {"epochs": 3, "device": "auto", "lr": {"diag": 0.1}},
    "data": {"source": "packaged"},
    "wandb": {"mode": "disabled"},
    "seed": 1,
    "out": None,
    "force": False,
}
REGISTERED = {"task.name": "glue/rte", "task.version": 1, "task.fields": ["a", "b"], "method.pattern": "random"}


def identity(config, registered=REGISTERED):
    return identity_of(settings_of(config, registered))


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
        ("tracker", "trackio"),
        ("train.device", "cpu"),
        ("method.description", "other words"),
        ("backbone.facts", {}),
        ("backbone._target_", "b.Renamed"),
        ("task.rows", {}),
        ("task.packaged", "elsewhere"),
        ("task.wording", "other words"),
        ("train.a_later_option", None),
    ],
)
def test_what_changes_no_number_does_not_count(path, value):
    assert identity(changed(path, value)) == identity(CONFIG)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("seed", 2),
        ("train.lr.diag", 0.2),
        ("method.sparsity", 0.01),
        ("method.pattern", "banded"),
        ("backbone.path", "x"),
        ("task.version", 2),
        ("task.fields", ["b", "a"]),
    ],
)
def test_everything_else_counts(path, value):
    assert identity(changed(path, value)) != identity(CONFIG)


def test_a_new_option_at_its_default_renames_no_run():
    later = changed("method.side", "input")
    assert identity(later, REGISTERED | {"method.side": "input"}) == identity(CONFIG)
    other = changed("method.side", "short")
    assert identity(other, REGISTERED | {"method.side": "input"}) != identity(CONFIG)


def test_a_new_version_of_a_registered_task_renames_its_runs():
    later = changed("task.version", 2)
    assert identity(later, REGISTERED | {"task.version": 2}) != identity(CONFIG)


def test_the_order_of_keys_does_not_count():
    assert identity(dict(reversed(CONFIG.items()))) == identity(CONFIG)


def test_whole_numbers_and_fractions_differ():
    assert identity_of({"x": 1}) != identity_of({"x": 1.0})


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_json_has_no_form_for_is_refused(value):
    with pytest.raises(ValueError, match="JSON"):
        identity_of({"x": value})


def test_a_cell_leaves_out_where_rows_and_weights_come_from():
    cell = cell_settings(settings_of(CONFIG, REGISTERED))
    elsewhere = changed("data.source", "local") | {"seed": 7}
    assert cell_settings(settings_of(elsewhere, REGISTERED)) == cell
    assert cell_settings(settings_of(changed("train.epochs", 4), REGISTERED)) != cell


@pytest.mark.parametrize(
    ("key", "effect"),
    [
        ("data.root", SOURCE),
        ("data.max_row_bytes", NO_EFFECT),  # the longest listed key decides
        ("method.way", COMPUTATION),
        ("method.rank", EXPERIMENT),
        ("method.mask", NO_EFFECT),
        ("earlier.mask.config.train.epochs", NO_EFFECT),
        ("earlier.mask.experiment", EXPERIMENT),
        ("wandb.project", NO_EFFECT),
    ],
)
def test_the_effect_of_a_key(key, effect):
    assert effect_of(key) == effect


def test_the_directory_names_the_choices_and_the_seed(monkeypatch):
    monkeypatch.setenv("FROD_BENCH_OUT", "somewhere")
    expected = Path("somewhere/offline/minilm/glue/rte/frod/seed1-01234567")
    assert default_directory(CONFIG, "0123456789abcdef") == expected


def test_trials_and_the_runs_with_their_rates_share_what_the_rates_depend_on():
    run = {"method.name": "frod", "task.name": "glue/rte", "data.max_train": 100, "seed": 0, "train.lr.diag": 0.1}
    trial = run | {"seed": 1000, "evaluation": "never", "train.lr.diag": 0.3, "data.root": "elsewhere"}
    assert tuning_settings(trial) == tuning_settings(run) == {k: run[k] for k in list(run)[:3]}
    for other in ({"data.max_train": 200}, {"method.sparsity": 0.1}, {"earlier.start.identity": "an earlier run"}):
        assert tuning_settings(run | other) != tuning_settings(run)
    starts = [run | {"earlier.start.identity": name} for name in "ab"]
    assert tuning_settings(starts[0]) == tuning_settings(starts[1])


def test_weights_are_the_same_wherever_a_local_copy_of_them_lies():
    here, there = ({"source": "local", "id": place, "fingerprint": "0a1b"} for place in ("here", "there"))
    assert weights_of(here) == weights_of(there) != weights_of({**here, "fingerprint": "2c3d"})
    drawn = [{"source": "random", "id": name, "fingerprint": "seed 0"} for name in ("a", "b")]
    assert weights_of(drawn[0]) != weights_of(drawn[1])
    assert weights_of(None) == {}
