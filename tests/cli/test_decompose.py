"""Streaming from shards gives the bases that a run computes from the loaded model, and a run then finds them."""

import subprocess
import sys

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification, LlamaConfig, LlamaForSequenceClassification

from frod_bench import attach
from frod_bench.backbones.directory import DTYPES
from frod_bench.cli import decompose
from frod_bench.linalg import cache, joint_stored

TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj"]


@pytest.fixture
def shards(tmp_path):
    """A LLaMA with grouped queries in files of at most 20 kB."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=40, hidden_size=32, intermediate_size=56, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, num_labels=2, pad_token_id=0,
    )  # fmt: skip
    LlamaForSequenceClassification(config).save_pretrained(tmp_path / "model", max_shard_size="20KB")
    assert len(list((tmp_path / "model").glob("model-*.safetensors"))) > 3
    return tmp_path / "model"


def entries(folder):
    return {file.name: load_file(file) for file in folder.glob("decompositions/*.safetensors")}


@pytest.mark.parametrize(
    ("basis", "side", "count"), [("category", "input", 6), ("global", "input", 1), ("global", "short", 2)]
)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_bases_are_those_of_the_loaded_model_to_the_last_bit(
    bench, shards, tmp_path, monkeypatch, basis, side, count, dtype
):
    monkeypatch.setenv("FROD_BENCH_CACHE", str(tmp_path / "loaded"))
    model = AutoModelForSequenceClassification.from_pretrained(shards, dtype=getattr(torch, dtype))
    attach(model, "frod", targets=TARGETS, head=["score"], basis=basis, side=side)
    monkeypatch.setenv("FROD_BENCH_CACHE", str(tmp_path / "streamed"))
    words = ["--backbone", "tiny_llama", "--basis", basis, "--side", side, "--dtype", dtype]
    code, out, err = bench("decompose", str(shards), *words)
    assert (code, err) == (0, "")
    assert out.count(" s left\n") == count - 1
    loaded, streamed = entries(tmp_path / "loaded"), entries(tmp_path / "streamed")
    assert loaded.keys() == streamed.keys() and len(out.splitlines()) == len(loaded) + 1
    assert len(loaded) == count
    for name, tensors in loaded.items():
        assert all(torch.equal(tensors[key], streamed[name][key]) for key in tensors.keys() | streamed[name].keys())


def test_it_goes_on_where_it_was_interrupted(bench, shards, tmp_path, monkeypatch):
    monkeypatch.setenv("FROD_BENCH_CACHE", str(tmp_path / "cache"))
    compute, calls = joint_stored.joint_decomposition, []

    def interrupted_once(*arguments):
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return compute(*arguments)

    monkeypatch.setattr(joint_stored, "joint_decomposition", interrupted_once)
    words = ["decompose", str(shards), "--backbone", "tiny_llama"]
    assert bench(*words)[0] == 130
    assert len(entries(tmp_path / "cache")) == 2
    code, out, _ = bench(*words)
    assert code == 0
    assert len(out.splitlines()) == 7
    assert len(calls) == 3 + 4  # two of six were there


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere", "--backbone", "tiny_llama"], "There is no model directory"),
        (["model"], "Which layers?"),
        (["model", "--backbone", "tiny_lama"], "Did you mean tiny_llama"),
        (["model", "--targets", "q_prj"], "No module of the model is called 'q_prj'"),
        (["model", "--targets", "q_proj", "--dtype", "float8"], "--dtype float8 is not known"),
        (["model", "--targets", "q_proj", "--pi", "0"], "method.pi=0.0 is not accepted"),
    ],
)
def test_a_wrong_request_is_told_in_a_sentence(bench, shards, words, message):
    code, _, err = bench("decompose", *words)
    assert (code, len(err.splitlines())) == (2, 1)
    assert message in err


def test_weights_of_another_architecture_are_refused(bench, shards):
    for file in shards.glob("model*.safetensors"):
        file.unlink()
    assert "There is no model*.safetensors" in bench("decompose", str(shards), "--targets", "q_proj")[2]
    from safetensors.torch import save_file

    save_file({"other.weight": torch.zeros(256, 256)}, shards / "model.safetensors")
    assert "of another architecture" in bench("decompose", str(shards), "--targets", "q_proj")[2]


def test_a_cache_that_cannot_be_written_is_told_before_the_work(bench, shards, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FROD_BENCH_CACHE", str(tmp_path / "file"))
    code, _, err = bench("decompose", str(shards), "--backbone", "tiny_llama")
    assert code == 2 and "FROD_BENCH_CACHE" in err


def test_what_cannot_be_kept_ends_the_work(bench, shards, tmp_path, monkeypatch):
    monkeypatch.setenv("FROD_BENCH_CACHE", str(tmp_path / "cache"))
    save_file, calls = cache.save_file, []

    def full_at_the_second(*arguments, **options):
        calls.append(arguments)
        if len(calls) == 2:
            raise SafetensorError("I/O error: No space left on device (os error 28)")
        save_file(*arguments, **options)

    monkeypatch.setattr(cache, "save_file", full_at_the_second)
    code, out, err = bench("decompose", str(shards), "--backbone", "tiny_llama")
    assert code == 1 and "cannot be written" in err and "FROD_BENCH_CACHE" in err
    assert len(out.splitlines()) == len(entries(tmp_path / "cache")) == 1


def test_help_and_a_wrong_backbone_do_without_torch():
    code = (
        "import sys\n"
        "from frod_bench.cli import run_command\n"
        "for words in (['DIR', '--backbone', 'typo'], ['--help']):\n"
        "    try:\n"
        "        run_command(['decompose', *words])\n"
        "    except SystemExit:\n"
        "        pass\n"
        "sys.exit(any(name in sys.modules for name in ('torch', 'transformers', 'scipy')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).returncode == 0


def test_the_precisions_are_those_of_a_backbone():
    assert tuple(DTYPES) == decompose._DTYPES
