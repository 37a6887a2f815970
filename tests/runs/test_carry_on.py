"""`start=RUN`: the adapter goes on, the head is new, and the identity holds the run and not its folder."""

import pytest
import torch
from safetensors.torch import load_file

FIRST = ("task=glue/rte", "method.sparsity=0.1", "train.epochs=1")
NEXT = ("task=glue/cola", "method.sparsity=0.1", "train.lr.diag=0", "train.lr.sparse=0", "train.lr.head=0")


@pytest.fixture
def first(smoke, tmp_path):
    assert smoke(*FIRST)[0] == 0
    return next((tmp_path / "outputs").rglob("glue/rte/frod/seed*"))


def adapter(folder):
    return load_file(folder / "adapter/adapter_model.safetensors")


def test_the_adapter_goes_on_and_the_head_is_new(first, smoke, tmp_path):
    for words in ((), (f"start={first}",)):
        assert smoke(*NEXT, "train.weight_decay=0", *words)[0] == 0
    runs = sorted((tmp_path / "outputs").rglob("glue/cola/frod/seed*"))
    carried, fresh = sorted(runs, key=lambda run: "start: null" in (run / "config.yaml").read_text())
    before, after, new = adapter(first), adapter(carried), adapter(fresh)
    body = [name for name in before if name.endswith(("sigma", "values"))]
    heads = [name for name in new if name.startswith("classifier")]
    assert body and all(torch.equal(before[name], after[name]) for name in body)
    assert not all(torch.equal(new[name], after[name]) for name in body)
    assert heads and all(torch.equal(new[name], after[name]) for name in heads)  # the head of the same seed


def test_the_folder_does_not_count(first, smoke, tmp_path):
    assert smoke(*NEXT, f"start={first}")[0] == 0
    moved = tmp_path / "moved"
    first.rename(moved)
    assert "complete already" in smoke(*NEXT, f"start={moved}")[1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("method.sparsity=0.2",), "method.sparsity=0.1"),
        (("method.sparsity=0.1", "seed=1"), "another seed or option"),
        (("method=lora",), "is a run of frod"),
        (("task=vision/digits", "method.sparsity=0.1"), "is a run of tiny_roberta"),
    ],
)
def test_another_adapter_is_refused(words, message, first, smoke):
    code, _, err = smoke("task=glue/cola", *words, f"start={first}")
    assert code == 2 and message in err


def test_what_is_no_run_is_refused(smoke):
    code, _, err = smoke("start=nowhere")
    assert code == 2 and "start=nowhere is not accepted: the folder of a run." in err
