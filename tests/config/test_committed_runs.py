"""The commands that made the committed runs find them complete: no option of today renames one."""

from pathlib import Path

import hydra
import pytest
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf, open_dict

from frod_bench.config.catalogue import settings
from frod_bench.config.paths import config_dir
from frod_bench.config.recipe import register_resolvers
from frod_bench.config.resolve import resolve
from frod_bench.record import find_records, identity_of

RUNS = Path(__file__).parents[2] / "results/runs"
NAMES = ("profile.name", "backbone.name", "task.name", "task.version", "method.name")


@pytest.fixture(scope="module")
def committed():
    found = find_records(RUNS)
    assert found.broken == []
    return [run.record for run in found.runs]


def test_every_committed_run_is_named_by_its_settings(committed):
    assert len(committed) >= 658
    assert all(record.identity == identity_of(record.settings) for record in committed)
    assert len({record.identity for record in committed}) == len(committed)


def test_a_configuration_of_today_with_a_runs_settings_is_that_run(committed):
    register_resolvers()
    GlobalHydra.instance().clear()
    parts, renamed = {}, {}
    of_all_seeds = {frozenset((k, str(v)) for k, v in r.settings.items() if k != "seed"): r for r in committed}
    with hydra.initialize_config_dir(str(config_dir()), version_base="1.3"):
        for record in of_all_seeds.values():
            method, rows = (f"method={record.method}",), (f"task={record.task}", f"backbone={record.backbone}")
            for choice in (method, rows):  # to compose takes 0.2 s
                if choice not in parts:
                    parts[choice] = hydra.compose("config", [*choice, f"profile={record.profile}"])
            config, other = parts[method].copy(), parts[rows]
            for key in ("task", "recipe", "backbone"):
                config[key] = other[key]
            config.protocol, config.selection, config.seed = record.protocol, record.selection, record.seed
            with open_dict(config):
                for key, value in record.settings.items():
                    if key not in NAMES:
                        OmegaConf.update(config, key, value)
            today = settings(resolve(config))
            if today != record.settings:
                keys = sorted(today.keys() | record.settings.keys())
                odd = {key for key in keys if today.get(key) != record.settings.get(key)}
                renamed[f"{record.method} on {record.task}, {record.identity}"] = odd
    assert renamed == {}
