import json
import os
import subprocess
import sys
from importlib.metadata import version

import pytest
import torch
import yaml
from safetensors.torch import load_file

from frod_bench import load_adapter
from frod_bench.backbones.tiny import TinyBackbone
from frod_bench.errors import RequestError
from frod_bench.record import RunDirectory
from frod_bench.train.trainer import Trainer

CLOCKS = ("seconds", "diagnostics_s", "data_wait", "samples_per_second", "peak_memory_bytes")


def numbers(directory):
    """Everything a run measured that no clock is part of, and its adapter to the last bit."""
    run = RunDirectory(directory)
    lines = [{key: value for key, value in line.items() if key not in CLOCKS} for line in run.read_metrics()]
    record = run.read_record()
    return lines, record.best, record.final, (run.adapter / "adapter_model.safetensors").read_bytes()


def backbone_of(config):
    parts = {key: value for key, value in config["backbone"].items() if not key.startswith("_")}
    return TinyBackbone(**parts)


def test_the_version_is_that_of_the_package(bench):
    assert bench("--version")[1] == f"frod-bench {version('frod-bench')}\n"


def test_a_run_from_end_to_end(bench, tmp_path):
    code, out, err = bench("profile=smoke", "method=frod", "task=glue/mrpc")
    assert (code, err) == (0, "")
    (record,) = (tmp_path / "outputs").rglob("record.json")
    run = RunDirectory(record.parent)
    assert run.path.is_relative_to(tmp_path / "outputs/smoke/tiny_roberta/glue/mrpc/frod")
    left = {"adapter", "config.yaml", "metrics.jsonl", "losses.jsonl", "predictions.parquet", "record.json"}
    left |= {"log.txt", "README.md"}
    assert {file.name for file in run.path.iterdir()} == left

    config = yaml.safe_load(run.config.read_text())
    assert config["train"]["lr"] == {"diag": 0.01, "sparse": 0.01, "head": 0.01}
    assert config["method"]["sparsity"] == 0.02
    assert "recipe" not in config
    assert "${" not in run.config.read_text()

    record = run.read_record()
    assert (record.status, record.method, record.task, record.seed) == ("completed", "frod", "glue/mrpc", 0)
    assert (record.profile, record.protocol, record.selection) == ("smoke", "released", "best_on_eval")
    assert record.samples == {"train": 64, "eval": 32}
    assert set(record.final["metrics"]) == {"accuracy", "f1"}
    assert record.params["trainable"] == sum(record.params["by_role"].values())
    assert 0 < record.params["pct_of_backbone"] < 100
    assert record.data["source"] == "generated"
    assert record.initialisation["max_reconstruction_error"] < 1e-5
    lines = [json.loads(line) for line in run.metrics.read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2]
    assert lines[-1]["eval"] == record.final["metrics"]

    assert out.splitlines()[0].endswith(f"-> {run.path}")
    assert "best" in out.splitlines()[-1]
    assert str(run.path) in out.splitlines()[-1]


@pytest.mark.parametrize("method", ["frod", "lora", "full_ft"])
def test_the_adapter_loads_into_a_fresh_model(smoke, tmp_path, method):
    assert smoke(f"method={method}", "selection=last", "out=run")[0] == 0
    config = yaml.safe_load((tmp_path / "run/config.yaml").read_text())
    model = backbone_of(config).build(2, seed=config["seed"])
    adapted = load_adapter(model, tmp_path / "run/adapter")
    saved = load_file(tmp_path / "run/adapter/adapter_model.safetensors")
    for name, value in adapted.trainable_state().items():
        assert torch.equal(value, saved[name])
    fresh = backbone_of(config).build(2, seed=config["seed"])
    assert not torch.equal(fresh.classifier.out_proj.weight, model.classifier.out_proj.weight)


def test_a_complete_run_is_not_run_again_unless_forced(smoke, tmp_path):
    smoke("out=run")
    first, written = numbers("run"), (tmp_path / "run/record.json").stat().st_mtime_ns
    code, out, err = smoke("out=run")
    assert (code, err) == (0, "")
    assert "complete already in run" in out
    assert "force=true" in out
    assert (tmp_path / "run/record.json").stat().st_mtime_ns == written
    assert smoke("out=run", "force=true")[0] == 0
    assert (tmp_path / "run/record.json").stat().st_mtime_ns > written
    assert numbers("run") == first


def test_what_is_refused_removes_nothing(smoke, tmp_path, monkeypatch):
    smoke("out=run")
    before = {file: file.read_bytes() for file in (tmp_path / "run").rglob("*") if file.is_file()}

    def gone(*_):
        raise RequestError("There is no train.parquet.")

    monkeypatch.setattr("frod_bench.runs.job.load_data", gone)
    assert smoke("out=run", "force=true")[0] == 2
    assert {file: file.read_bytes() for file in before} == before


@pytest.mark.parametrize("method", ["frod", "lora", "full_ft"])
def test_the_seed_alone_decides_the_bits(smoke, method):
    for out, seed in (("one", 3), ("same", 3), ("other", 4)):
        assert smoke(f"method={method}", f"seed={seed}", f"out={out}")[0] == 0
    assert numbers("one") == numbers("same")
    assert numbers("one")[0] != numbers("other")[0]


def test_local_data(smoke, data_root):
    code, _, err = smoke("data.root=data", "out=run")
    assert (code, err) == (0, "")
    record = RunDirectory("run").read_record()
    assert record.data["source"] == "local"
    assert record.data["fingerprint"].startswith("sha256:")
    assert "32 of 67,349 train rows" in record.data["note"]
    assert record.samples == {"train": 16, "eval": 12}


@pytest.fixture
def roberta(tmp_path):
    """A random RoBERTa as save_pretrained leaves it."""
    shape = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    shape |= {"max_position_embeddings": 130, "type_vocab_size": 1}
    backbone = TinyBackbone("saved", "roberta", shape, ["query"], ["classifier"])
    backbone.build(2, seed=0).save_pretrained(tmp_path / "roberta")
    backbone.processor().save_pretrained(tmp_path / "roberta")
    return tmp_path / "roberta"


@pytest.mark.parametrize(
    ("words", "train"),
    [
        (["protocol=released", "method=frod"], {"batch_size": 64, "precision": "no", "schedule": "cosine"}),
        (
            ["protocol=paper", "method=lora", "selection=last"],
            {"batch_size": 64, "precision": "no", "warmup_steps": 0.1},
        ),
        (["protocol=goat", "method=full_ft", "selection=holdout"], {"batch_size": 256, "precision": "bf16"}),
        (
            ["train.gradient_accumulation_steps=4", "train.max_grad_norm=1", "train.precision=bf16", "method=frod"],
            {"max_grad_norm": 1},
        ),
    ],
)
def test_roberta_from_a_directory_under_every_protocol(bench, data_root, roberta, words, train):
    where = ["backbone=roberta_large", "backbone.path=roberta", "data.root=data", "out=run"]
    lengths = ["text.max_length=64", "text.eval_max_length=64"]
    code, _, err = bench(*where, *lengths, "train.epochs=1", *words)
    assert (code, err) == (0, "")
    record = RunDirectory("run").read_record()
    assert (record.status, record.backbone, record.profile) == ("completed", "roberta_large", "paper")
    assert record.initialisation["backbone"]["source"] == "local"
    config = yaml.safe_load(RunDirectory("run").config.read_text())
    assert config["train"].items() >= train.items()
    assert ("holdout_accuracy" in record.final["metrics"]) == ("selection=holdout" in words)


def test_the_instruction_format_changes_what_the_model_reads(smoke):
    for form in ("pair", "instruction"):
        assert smoke(f"text.format={form}", "text.max_length=256", f"out={form}")[0] == 0
    assert numbers("pair")[0] != numbers("instruction")[0]


def test_a_loss_that_is_not_a_number_fails_the_run(smoke):
    code, _, err = smoke("train.lr.diag=1e300", "train.batch_size=4", "out=run")
    assert code == 1
    assert err.startswith("frod-bench: the run failed: Training diverged. The loss became nan at step 2 (epoch 1).")
    assert "train.lr" in err
    record = RunDirectory("run").read_record()
    assert record.status == "failed"
    assert "step 2" in record.error


def break_once(monkeypatch, error, at_call):
    """Let the evaluation raise `error` at its n-th call, once."""
    evaluate, calls = Trainer.evaluate, []

    def broken(self, *arguments):
        calls.append(self)
        if len(calls) == at_call:
            raise error
        return evaluate(self, *arguments)

    monkeypatch.setattr(Trainer, "evaluate", broken)


def test_a_run_that_failed_is_repaired_by_the_same_command(bench, monkeypatch, tmp_path):
    words = ["profile=smoke", "train.epochs=3", "method=lora", "method.dropout=0.2"]
    assert bench(*words, "out=whole")[0] == 0
    break_once(monkeypatch, RuntimeError("the disk went away"), at_call=2)
    code, _, err = bench(*words, "out=run")
    assert code == 1
    assert "RuntimeError: the disk went away" in err
    assert "log.txt" in err
    record = RunDirectory("run").read_record()
    assert (record.status, record.final["epoch"]) == ("failed", 1)
    assert "the disk went away" in record.error
    log = (tmp_path / "run/log.txt").read_text()
    assert "epoch 1/3" in log and "in broken" in log

    code, out, err = bench(*words, "out=run")
    assert (code, err) == (0, "")
    assert "going on after epoch 1 of 3" in out
    record = RunDirectory("run").read_record()
    assert (record.status, record.error) == ("completed", None)
    assert (tmp_path / "run/log.txt").read_text().startswith(log)
    assert numbers("run") == numbers("whole")
    assert {file.name for file in (tmp_path / "run").iterdir()} == {
        file.name for file in (tmp_path / "whole").iterdir()
    }


def test_too_little_memory_says_what_to_turn(smoke, monkeypatch):
    break_once(monkeypatch, torch.OutOfMemoryError("CUDA out of memory"), at_call=1)
    code, _, err = smoke("out=run")
    assert code == 1
    assert "train.gradient_accumulation_steps=4" in err
    assert "enough memory" in RunDirectory("run").read_record().error


def test_an_interrupted_run_goes_on(bench, monkeypatch):
    words = ["profile=smoke", "train.epochs=2", "data.max_train=16", "out=run"]
    break_once(monkeypatch, KeyboardInterrupt(), at_call=2)
    code, _, err = bench(*words)
    assert code == 130
    assert "the same command goes on from the last checkpoint" in err
    assert RunDirectory("run").read_record().status == "interrupted"
    code, out, _ = bench(*words)
    assert code == 0
    assert "going on after epoch 1 of 2" in out


def test_wandb_offline_logs_beside_the_run(smoke, tmp_path):
    code, out, err = smoke("wandb.mode=offline", "out=run")
    assert (code, err) == (0, "")
    assert len(out.splitlines()) == 4
    assert list((tmp_path / "run").glob("wandb/offline-run-*"))
    code, out, _ = smoke("out=run")  # what only watches is no part of the run's identity
    assert "complete already" in out


def test_help_and_composition_need_no_torch(tmp_path):
    code = (
        "import sys; from frod_bench.cli import run_command\n"
        "assert run_command(['--help']) == 0\n"
        "assert run_command(['list', 'methods']) == 0\n"
        "assert run_command(['--cfg', 'job', '--resolve', 'profile=smoke']) == 0\n"
        "assert run_command(['method=frdo']) == 2\n"
        "assert run_command(['method=frod', 'task=glue/rte']) == 2  # its weights are not here\n"
        "for command in ('bench', 'decompose', 'doctor', 'export', 'list', 'plan', 'table'):\n"
        "    try: run_command([command, '--help'])\n"
        "    except SystemExit as end: assert end.code == 0\n"
        "assert 'torch' not in sys.modules and 'transformers' not in sys.modules"
    )
    nothing = os.environ | {"HF_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=nothing)
    assert done.returncode == 0, done.stderr
    assert "lr:" in done.stdout
    assert done.stderr.startswith("frod-bench: method=frdo is not known. Did you mean frod")
    assert "FacebookAI/roberta-large is not on this machine" in done.stderr
    assert len(done.stderr.splitlines()) == 2


def test_the_module_leaves_with_the_exit_code(tmp_path):
    for word, code in (("--help", 0), ("method=frdo", 2)):
        done = subprocess.run([sys.executable, "-m", "frod_bench", word], capture_output=True, cwd=tmp_path)
        assert done.returncode == code


def test_the_share_of_the_backbone_is_without_the_head_whether_it_trains_or_not(smoke, tmp_path):
    shares = {}
    for head in ("trained", "frozen"):
        code, out, _ = smoke("method=vera", "task=glue/rte", f"method.head={head}", f"out={tmp_path / head}")
        assert code == 0 and ("and the head's" in out) == (head == "trained")
        shares[head] = RunDirectory(tmp_path / head).read_record().params["pct_of_backbone"]
    assert shares["trained"] == shares["frozen"]


def test_a_run_on_the_short_side_is_named_as_our_variant(smoke, tmp_path):
    words = ["method=frod", "task=glue/mrpc"]
    code, out, _ = smoke(*words, "method.side=short")
    assert code == 0 and "frod, side=short on glue/mrpc" in out
    (record,) = (tmp_path / "outputs").rglob("record.json")
    run = RunDirectory(record.parent)
    assert run.read_record().settings["method.side"] == "short"
    assert json.loads((run.adapter / "adapter_config.json").read_text())["options"]["side"] == "short"
    default = smoke(*words, "method.side=input")[1]
    assert "frod on glue/mrpc" in default and smoke(*words)[1].startswith("frod on glue/mrpc")
    assert len(list((tmp_path / "outputs").rglob("record.json"))) == 2  # the default renames no run
