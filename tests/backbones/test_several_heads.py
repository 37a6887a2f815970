"""Several heads in one model: each row is read by its own, exactly as by a model that has that head alone."""

import copy

import pytest
import torch
from torch import nn

from frod_bench.backbones.several_heads import give_heads
from frod_bench.backbones.tiny import TinyBackbone
from frod_bench.errors import RequestError

SIZES = (2, 3)
ARCHITECTURE = {
    "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
    "max_position_embeddings": 40, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0,
}  # fmt: skip


def made(model_type, classes):
    names = {"roberta": "classifier", "llama": "score"}
    architecture = {k: v for k, v in ARCHITECTURE.items() if model_type == "roberta" or "dropout" not in k}
    backbone = TinyBackbone("x", model_type, architecture, [], [names[model_type]])
    return backbone.build(classes, seed=0), backbone.head


def batch(rows, labels):
    ids = torch.arange(rows * 5).view(rows, 5) % 30 + 5
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": torch.tensor(labels)}


def last_linear(module):
    return [layer for layer in module.modules() if isinstance(layer, nn.Linear)][-1]


@pytest.mark.parametrize("model_type", ["roberta", "llama"])
def test_each_row_is_read_by_its_own_head_alone(model_type):
    whole, head = made(model_type, sum(SIZES))
    several = give_heads(copy.deepcopy(whole), head, SIZES, "head")
    heads = torch.tensor([0, 1, 1, 0])
    inputs = batch(4, [1, 2, 4, 0])
    found = several(**inputs, head=heads)
    assert found.logits.shape == (4, 5)
    losses = []
    for task, (start, end) in enumerate([(0, 2), (2, 5)]):
        single, _ = made(model_type, end - start)
        own = single.state_dict()
        single.load_state_dict({k: v for k, v in whole.state_dict().items() if v.shape == own[k].shape}, strict=False)
        own, part = last_linear(single.get_submodule(head[0])), last_linear(whole.get_submodule(head[0]))
        own.weight.data = part.weight.data[start:end].clone()
        if own.bias is not None:
            own.bias.data = part.bias.data[start:end].clone()
        rows = heads == task
        mine = {name: values[rows] for name, values in inputs.items()}
        alone = single(**mine | {"labels": mine["labels"] - start})
        torch.testing.assert_close(found.logits[rows, start:end], alone.logits, rtol=1e-5, atol=1e-6)
        others = [column for column in range(5) if not start <= column < end]
        assert (found.logits[rows][:, others].softmax(-1) >= 0).all()
        assert (found.logits[rows].softmax(-1)[:, others] == 0).all()
        losses.append(alone.loss * rows.sum() / 4)
    torch.testing.assert_close(found.loss, sum(losses), rtol=1e-5, atol=1e-6)


def test_a_head_learns_from_the_rows_of_its_task_only():
    model, head = made("roberta", sum(SIZES))
    model = give_heads(model, head, SIZES, "head")
    model(**batch(2, [1, 0]), head=torch.tensor([0, 0])).loss.backward()
    first, second = model.classifier.tasks
    assert all(p.grad.abs().sum() > 0 for p in first.parameters())
    assert all(p.grad is None or p.grad.abs().sum() == 0 for p in second.parameters())
    parameters = [p.data_ptr() for task in (first, second) for p in task.parameters()]
    assert len(set(parameters)) == len(parameters)  # the dense layer before the classes is not shared either
    assert [last_linear(task).out_features for task in (first, second)] == list(SIZES)


def test_a_head_without_a_last_linear_layer_is_refused():
    model = nn.Module()
    model.head = nn.Sequential(nn.Linear(4, 5), nn.Linear(5, 3))
    with pytest.raises(RequestError, match="does not end with a linear layer"):
        give_heads(model, ["head"], SIZES, "head")
    model.body = nn.Linear(4, 4)
    with pytest.raises(RequestError, match="2 modules"):
        give_heads(model, ["head", "body"], SIZES, "head")
