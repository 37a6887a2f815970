"""Commonsense tasks from the command line, as instructions and with LLaMA's options, on random weights."""

import json
from pathlib import Path

import pytest
import yaml

from frod_bench.config.paths import config_dir

TASKS = [path.stem for path in sorted((config_dir() / "task/commonsense").glob("[!_]*.yaml"))]
SMALL = ("profile=smoke", "train.epochs=1", "data.max_train=8", "data.max_eval=4")


def records(folder):
    return [json.loads(path.read_text()) for path in sorted(Path(folder).rglob("record.json"))]


@pytest.mark.parametrize("method", ["frod", "lora", "full_ft"])
def test_every_task_as_instructions(bench, tmp_path, method):
    every = ",".join(f"commonsense/{task}" for task in TASKS)
    words = ("protocol=paper", f"task={every}", f"method={method}", "data.max_eval=2")
    code, _, err = bench("-m", *SMALL, *words)
    assert code == 0, err
    found = {record["task"]: record for record in records(tmp_path / "outputs")}
    assert set(found) == {f"commonsense/{task}" for task in TASKS}
    for task, record in found.items():
        assert record["params"]["head"] == 0 and 0 <= record["best"]["metrics"]["unmatched"] <= 1
        assert ("accuracy_siqa" in record["best"]["metrics"]) == (task == "commonsense/all")


@pytest.mark.parametrize("scoring", ["likelihood", "likelihood_per_token"])
def test_scoring_without_generation(bench, tmp_path, scoring):
    code, _, err = bench(*SMALL, "protocol=paper", "task=commonsense/piqa", f"task.scoring={scoring}", "method=lora")
    assert code == 0, err
    (record,) = records(tmp_path / "outputs")
    assert record["best"]["metrics"]["unmatched"] == 0.0


@pytest.mark.parametrize("method", ["frod", "lora", "full_ft"])
@pytest.mark.parametrize("protocol", ["released", "paper"])
def test_llama2_from_a_directory_in_half_precision(bench, tmp_path, llama_directory, method, protocol):
    words = ("task=commonsense/winogrande", "backbone=llama2_7b", f"backbone.path={llama_directory}")
    code, _, err = bench(*SMALL, *words, f"method={method}", f"protocol={protocol}", "train.precision=bf16")
    assert code == 0, err
    (record,) = records(tmp_path / "outputs")
    assert record["initialisation"]["backbone"]["source"] == "local"
    config = yaml.safe_load(next((tmp_path / "outputs").rglob("config.yaml")).read_text())
    assert config["backbone"]["dtype"] == "bfloat16"


def test_half_precision_without_autocast_says_what_to_type(bench, llama_directory):
    words = ("task=commonsense/winogrande", "backbone=llama2_7b", f"backbone.path={llama_directory}", "method=lora")
    code, _, err = bench(*SMALL, *words)
    assert code == 2 and "bfloat16" in err and "train.precision=bf16" in err


def test_missing_weights_say_what_to_do(bench, monkeypatch):
    monkeypatch.setattr("frod_bench.backbones.hub.hub_reachable", lambda: False)
    code, _, err = bench(*SMALL, "task=commonsense/boolq", "backbone=llama2_7b")
    assert code == 2 and "meta-llama/Llama-2-7b-hf" in err and "backbone.path=DIR" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("task.scoring=likelihood",), "protocol=paper"),
        (("task.layout=commonsense170k",), "protocol=paper"),
        (("protocol=paper", "text.max_length=60"), "text.max_length"),
        (("text.max_length=100000",), "text.max_length=100000"),
        (("protocol=paper", "task.beams=0"), "task.beams=0"),
    ],
)
def test_bad_requests_exit_with_2(bench, words, message):
    code, _, err = bench(*SMALL, "task=commonsense/boolq", *words)
    assert code == 2 and message in err
