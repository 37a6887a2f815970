"""No test reaches the network or asks for an account; fixtures that several folders use.

Tests take one thread, or as many as TEST_THREADS says: `TEST_THREADS=2 pytest tests/ops`.
"""

import os
import sys
import tempfile

import pytest

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), os.environ.get("TEST_THREADS", "1"))
for variable in ("WANDB_MODE", "WANDB_API_KEY", "FROD_BENCH_OUT"):
    os.environ.pop(variable, None)
os.environ["FROD_BENCH_CACHE"] = tempfile.mkdtemp(prefix="frod-bench-tests-")


def pytest_collection_modifyitems(items):
    marked = [item for item in items if "gpu" in item.keywords]
    if not marked:
        return
    import torch

    if not torch.cuda.is_available():
        for item in marked:
            item.add_marker(pytest.mark.skip(reason="torch sees no CUDA device"))


@pytest.fixture
def bench(monkeypatch, tmp_path, capsys):
    """Returns a function (*words) -> (exit code, stdout, stderr); runs go to tmp_path/outputs."""
    monkeypatch.setenv("FROD_BENCH_OUT", str(tmp_path / "outputs"))
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
    monkeypatch.chdir(tmp_path)

    from frod_bench.cli import run_command

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["frod-bench"])
        capsys.readouterr()
        code = run_command(list(words))
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def smoke(bench):
    """`bench` with the words of the smallest run in front."""
    return lambda *words: bench("profile=smoke", "train.epochs=1", "data.max_train=16", *words)


@pytest.fixture
def data_root(tmp_path):
    """A data root that holds SST-2: 32 training and 12 validation rows."""
    from datasets import ClassLabel, Dataset, Features, Value, disable_progress_bars  # takes seconds

    disable_progress_bars()
    folder = tmp_path / "data/nyu-mll/glue/sst2"
    folder.mkdir(parents=True)
    features = Features(sentence=Value("string"), label=ClassLabel(names=["negative", "positive"]), idx=Value("int32"))
    for split, n in {"train": 32, "validation": 12}.items():
        words = [("good film " if row % 2 else "bad film ") * (1 + row % 3) for row in range(n)]
        columns = {"sentence": words, "label": [row % 2 for row in range(n)], "idx": list(range(n))}
        Dataset.from_dict(columns, features=features).to_parquet(folder / f"{split}.parquet")
    return tmp_path / "data"


@pytest.fixture
def llama_directory(tmp_path):
    """A random LLaMA with its tokenizer, as save_pretrained writes them."""
    from frod_bench.backbones.tiny import TinyBackbone  # takes seconds

    architecture = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    tiny = TinyBackbone("x", "llama", architecture | {"max_position_embeddings": 1026}, [], [], ends_text=False)
    tiny.build(None, seed=0).save_pretrained(tmp_path / "llama")
    tiny.processor().save_pretrained(tmp_path / "llama")
    return tmp_path / "llama"
