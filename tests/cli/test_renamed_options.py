"""The old names of options work in every command that takes overrides, with one sentence for each."""

import sys
from types import SimpleNamespace

import pytest

TYPED = ("train.accumulate=2", "train.clip_norm=1", "train.warmup=5")


@pytest.fixture
def seen(monkeypatch):
    """The configurations that would run."""
    configs = []
    job = SimpleNamespace(run_advised=lambda config: configs.append(config) or 0.5)  # the real one imports torch
    monkeypatch.setitem(sys.modules, "frod_bench.forecast.advised_run", job)
    return configs


@pytest.mark.parametrize("words", [("method=lora",), ("-m", "method=lora"), ("-m", "sweep=table4", "task=glue/rte")])
def test_a_run_takes_old_names(bench, seen, words):
    code, _, err = bench(*words, "profile=smoke", *TYPED)
    assert code == 0
    new = {"gradient_accumulation_steps": 2, "max_grad_norm": 1, "warmup_steps": 5}
    assert seen and all(config["train"].items() >= new.items() for config in seen)
    assert err.splitlines() == [
        f"frod-bench: train.{old} is now train.{name}; the old name works in this version only."
        for old, name in zip(("accumulate", "clip_norm", "warmup"), new, strict=True)
    ]


def test_a_table_takes_old_names_as_the_same_overrides(bench):
    words = ("report", "table4", "--profile", "smoke", "--methods", "lora", "--tasks", "rte")
    assert bench(*words, "train.accumulate=2")[1] == bench(*words, "train.gradient_accumulation_steps=2")[1]
    assert "overrides train.warmup_steps=5" in bench(*words, "train.warmup=5")[1]


def test_an_old_name_elsewhere_is_refused_with_the_new_one(bench):
    code, _, err = bench("+train.warmup=5")
    assert code == 2 and "train.warmup_steps" in err
