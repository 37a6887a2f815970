"""The presets as Hydra multiruns: the sweeper alone, and one run through Hydra."""

import sys
from types import SimpleNamespace

import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins

from frod_bench.config.paths import config_dir
from frod_bench.grid.tables import load_table


@pytest.fixture
def jobs():
    """Return a function (preset, *typed) -> the jobs of all batches."""

    # as Hydra finds it: its scan runs the files of plugins anew, so a class imported here may be another one
    sweeper_class = Plugins.instance().class_name_to_class["hydra_plugins.frod_bench_table.TableSweeper"]

    def split(name, *typed, profile="smoke", max_batch_size=None):
        content = yaml.safe_load((config_dir() / f"sweep/{name}.yaml").read_text())["hydra"]["sweeper"]
        sweeper = sweeper_class(max_batch_size, **{"common": "", "epochs": None} | content)
        sweeper.config = SimpleNamespace(profile=SimpleNamespace(name=profile))
        return sweeper.split_arguments(OverridesParser.create().parse_overrides(list(typed)), max_batch_size)

    return split


@pytest.mark.parametrize(
    ("name", "profile", "count"),
    [("table2", "paper", 210), ("table3", "smoke", 54), ("table4", "offline", 189), ("figure6", "paper", 256)],
)
def test_all_cells_are_one_batch(jobs, name, profile, count):
    (batch,) = jobs(name, profile=profile)
    assert len({tuple(job) for job in batch}) == len(batch) == count
    preset = load_table(name)
    assert count == len(preset.rows) * len(preset.columns) * len(preset.seeds[profile].split(","))


def test_a_row_keeps_its_own_keys(jobs):
    (batch,) = jobs("table2")
    words = {word for job in batch if "method=lora" in job for word in job}
    assert not any(word.startswith("method.") for word in words)
    assert ["method=frod", "method.sparsity=0.01", "task=vision/dtd", "seed=0"] in batch


def test_what_is_typed_replaces_a_rows_words_and_no_job_comes_twice(jobs):
    (batch,) = jobs("table2", "method.sparsity=0.02", "task=vision/dtd,vision/svhn", "seed=5")
    frod = [job for job in batch if "method=frod" in job]
    assert frod == [
        ["method=frod", "method.sparsity=0.02", f"task=vision/{task}", "seed=5"] for task in ("dtd", "svhn")
    ]


def test_one_task_and_one_density_of_the_grid_are_24_runs(jobs):
    (batch,) = jobs("figure6", "task=vision/dtd", "method.sparsity=0.02")
    assert len(batch) == len({tuple(job) for job in batch}) == 24


def test_batches_are_of_the_asked_size(jobs):
    assert [len(batch) for batch in jobs("table4", max_batch_size=25)] == [25, 25, 13]


def test_an_unknown_table_and_a_method_of_ones_own_are_refused(bench):
    code, _, err = bench("-m", "sweep=table9", "profile=smoke")
    assert code == 2 and "sweep=table9 is not known. Did you mean table" in err
    code, _, err = bench("-m", "sweep=table4", "profile=smoke", "method=frod")
    assert code == 2 and "method=frod is not accepted" in err and "--methods" in err


def test_a_preset_runs_through_hydra(bench, monkeypatch):
    seen = []
    job = SimpleNamespace(run_advised=lambda config: seen.append(config) or 0.5)  # the real one takes seconds to import
    monkeypatch.setitem(sys.modules, "frod_bench.forecast.advised_run", job)
    one = ("task=vision/dtd", "method.sparsity=0.1", "train.lr.sparse=1e-4", "train.lr.diag=1e-3")
    code, _, err = bench("-m", "sweep=table5", "profile=smoke", *one)
    assert (code, err) == (0, "")
    (config,) = seen
    assert config["train"]["epochs"] == 10
    assert config["train"]["lr"] | {"head": 0} == {"diag": 1e-3, "sparse": 1e-4, "head": 0}
    assert "sweep" not in config
