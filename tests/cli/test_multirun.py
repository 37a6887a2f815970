"""Hydra's multirun over what one typed: every cell in turn, past those that fail."""

import os
import subprocess
import sys

import yaml

from frod_bench.errors import RunFailure
from frod_bench.record import RunDirectory


def test_a_sweep_over_methods_and_seeds(smoke, tmp_path):
    code, out, err = smoke("-m", "method=frod,lora", "seed=0,1")
    assert (code, err) == (0, "")
    records = [RunDirectory(file.parent).read_record() for file in (tmp_path / "outputs").rglob("record.json")]
    cells = sorted((record.method, record.seed) for record in records)
    assert cells == [("frod", 0), ("frod", 1), ("lora", 0), ("lora", 1)]
    assert {record.status for record in records} == {"completed"}
    assert len({record.identity for record in records}) == 4
    assert out.count("accuracy: best") == 4


def test_a_sweep_over_precisions_in_one_process(smoke, tmp_path):
    code, _, err = smoke("-m", "train.precision=bf16,no")
    assert (code, err) == (0, "")
    assert len(list((tmp_path / "outputs").rglob("adapter_model.safetensors"))) == 2


def test_a_sweep_goes_on_past_a_bad_cell(smoke, tmp_path):
    code, _, err = smoke("-m", "method.sparsity=2,0.1")
    assert code == 2
    first, last = err.splitlines()
    assert "method.sparsity=2: method.sparsity=2 is not accepted" in first
    assert "1 of the sweep's runs ended without a result" in last
    (config,) = (tmp_path / "outputs").rglob("config.yaml")
    assert yaml.safe_load(config.read_text())["method"]["sparsity"] == 0.1


def test_a_sweep_prints_no_secret(smoke, monkeypatch):
    monkeypatch.setenv("MY_API_KEY", secret := "s3cr3tvalue-abcdefgh")

    def answered(*arguments):
        raise RunFailure(f"https://user:{secret}@host answered 401")

    monkeypatch.setattr("frod_bench.runs.job._run_claimed", answered)
    code, out, err = smoke("-m", "method=lora", f"wandb.project={secret},mine")
    assert code == 1
    refused, failed, _ = err.splitlines()
    assert "wandb.project=[secret]: wandb.project holds a secret" in refused
    assert "wandb.project=mine: https://user:[secret]@host" in failed
    assert secret not in out + err


def test_a_sweep_in_a_process_of_its_own_without_a_network(tmp_path):
    """One process for three things: a hub out of reach is told within seconds, what can run runs, a log is clean."""
    hub = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path / "hub"), "FROD_BENCH_OUT": str(tmp_path)}
    environment = {key: value for key, value in os.environ.items() if not key.startswith("HF_")} | hub
    words = ["profile=smoke", "train.epochs=1", "data.source=hub,generated", "backbone=roberta_large,tiny_roberta"]
    done = subprocess.run(
        [sys.executable, "-m", "frod_bench", *words, "-m"],
        capture_output=True,
        text=True,
        env=environment,
        cwd=tmp_path,
        timeout=120,
    )
    weights, data, weights_again, last = done.stderr.splitlines()
    assert done.returncode == 2
    assert all("roberta-large" in line for line in (weights, weights_again))
    assert "backbone.path=DIR" in weights
    assert "profile=offline" in weights
    assert "nyu-mll/glue/sst2" in data
    assert "data.source=local data.root=DIR or profile=offline" in data
    assert "3 of the sweep's runs" in last
    (record,) = tmp_path.rglob("record.json")
    assert RunDirectory(record.parent).read_record().status == "completed"
    assert [line.split("  ")[0] for line in done.stdout.splitlines()].count("epoch 1/1") == 1
    assert len(done.stdout.splitlines()) == 5  # what lacks its weights is refused before it begins
