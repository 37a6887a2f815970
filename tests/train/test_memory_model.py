"""The prediction counts what is there: checked against numbers that follow from shapes."""

from dataclasses import asdict

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import UnsupportedOperatorException
from transformers import BertConfig, BertForSequenceClassification

from frod_bench.methods import make_method, method_names
from frod_bench.methods.lora import METHOD as Lora
from frod_bench.train import memory_model
from frod_bench.train.memory_model import Unpredictable, at_depth, predict_memory

WIDTH, LAYERS, ROWS, LENGTH = 64, 2, 8, 16
TARGETS = ["query", "key", "value", "output.dense", "intermediate.dense"]


def build(layers=LAYERS):
    config = BertConfig(
        vocab_size=50, hidden_size=WIDTH, num_hidden_layers=layers, num_attention_heads=2, intermediate_size=4 * WIDTH,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    return BertForSequenceClassification(config)


def batch(rows=ROWS):
    return {"input_ids": torch.ones(rows, LENGTH, dtype=torch.long), "labels": torch.zeros(rows, dtype=torch.long)}


def predict(name, make_batch=batch, precision="no", passes=1, **options):
    method = make_method(name, **options)
    return predict_memory(build, make_batch, method, TARGETS, ["classifier"], precision, passes=passes)


@pytest.mark.parametrize("name", method_names())
def test_every_method_is_predicted_without_its_memory(name):
    found = predict(name)
    model = build()
    assert found.weights == pytest.approx(sum(t.nbytes for t in (*model.parameters(), *model.buffers())), rel=0.01)
    adapted = make_method(name).attach(model, TARGETS, ["classifier"])
    trainable = sum(adapted.count().values())
    assert (found.gradients, found.optimizer) == (4 * trainable, 8 * trainable)
    assert found.activations > 0
    assert found.peak == max(found.initialisation, found.step) > found.weights


def test_the_parts_of_frod():
    found = predict("frod", sparsity=0.1)
    target_weights = LAYERS * (4 * WIDTH**2 + 2 * 4 * WIDTH**2)
    bases = 4 * WIDTH**2 + WIDTH**2 + (4 * WIDTH) ** 2  # query, key, value and two outputs, and the inner width
    inverse = WIDTH**2  # of the only V whose layers have more outputs than inputs
    per_entry = 2 * (4 + 8) + 2 * 8 + 8  # compressed rows of M and M^T with their order, the places, an inverse order
    entries = 0.1 * bases + 5 * WIDTH + 4 * WIDTH
    expected = 4 * (target_weights + bases + inverse) + per_entry * entries
    assert found.adapter == pytest.approx(expected, rel=0.25)


def test_summing_the_gradient_of_the_merged_weight_takes_a_weight_per_layer():
    usual, summed = (predict("frod", passes=4, way="merged", accumulate_weight=flag) for flag in (False, True))
    target_weights = LAYERS * (4 * WIDTH**2 + 2 * 4 * WIDTH**2)
    assert summed.peak - usual.peak == pytest.approx(4 * target_weights, rel=0.25)


def test_activations_grow_with_the_batch_and_shrink_with_precision_and_checkpointing():
    whole, double = predict("lora"), predict("lora", lambda: batch(2 * ROWS))
    assert double.activations == pytest.approx(2 * whole.activations, rel=0.05)
    assert predict("lora", lambda: batch(64 * ROWS), "bf16").activations < 0.9 * 64 * whole.activations

    def checkpointed():
        model = build()
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        return model

    method = make_method("lora")
    saved = predict_memory(checkpointed, batch, method, TARGETS, ["classifier"])
    assert saved.activations < 0.75 * whole.activations


def test_what_each_way_of_frod_keeps():
    """Merged keeps one weight a layer; factored keeps one [n, T] activation instead."""
    few, many = (lambda: batch(2)), (lambda: batch(64))
    keeps = {way: predict("frod", few, way=way).activations for way in ("merged", "factored")}
    assert keeps["merged"] > keeps["factored"]
    keeps = {way: predict("frod", many, way=way).activations for way in ("merged", "factored")}
    assert keeps["merged"] < keeps["factored"]


def test_depth_is_a_straight_line():
    def at(layers):
        return predict_memory(lambda: build(layers), batch, make_method("frod"), TARGETS, ["classifier"])

    line, real = at_depth(at, 12, depths=(5, 6)), at(12)  # four make a square stack of one kind of layer
    assert (line.weights, line.optimizer) == (real.weights, real.optimizer)
    assert line.step == pytest.approx(real.step, rel=0.01)
    assert line.initialisation == pytest.approx(real.initialisation, rel=0.01)


READS_VALUES = ["ADAMSS", "BOFT", "FROD", "UNILORA"]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("tuner", READS_VALUES)
def test_a_tuner_that_looks_at_values_is_attached_to_a_model_that_has_some(tuner, monkeypatch):
    found = predict("peft", type=tuner)
    model = build()
    assert found.weights == pytest.approx(sum(t.nbytes for t in (*model.parameters(), *model.buffers())), rel=0.01)
    trainable = sum(make_method("peft", type=tuner).attach(model, TARGETS, ["classifier"]).count().values())
    assert (found.gradients, found.optimizer) == (4 * trainable, 8 * trainable)
    assert 0 < found.activations < 4 * predict("peft", type="OFT").activations
    monkeypatch.setattr(memory_model, "_MOST_WITH_VALUES", 100)
    with pytest.raises(Unpredictable, match=r"looks at values, and 0\.0 GiB of weights are too many"):
        predict("peft", type=tuner)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("tuner", ["LOHA", "LOKR"])
def test_a_layer_that_draws_whether_it_takes_part_does(tuner):
    assert predict("peft", type=tuner).activations > predict("peft", type="IA3").activations / 4


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("tuner", "reason"),
    [
        ("SHIRA", r"SHiRA cannot be predicted: tensors without values .* invalid gradient"),
        ("WAVEFT", r"WaveFT cannot be predicted: it looks at values in every training step\."),
    ],
)
def test_a_tuner_whose_steps_need_values_is_not_predicted(tuner, reason):
    with pytest.raises(Unpredictable, match=reason):
        predict("peft", type=tuner)


def test_values_change_no_prediction(monkeypatch):
    expected = predict("lora")
    plain = memory_model._predict
    monkeypatch.setattr(memory_model, "_predict", lambda *given, values: plain(*given, values=True))
    assert asdict(predict("lora")) == pytest.approx(asdict(expected), rel=0.02)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (UnsupportedOperatorException("my.op"), "the shapes that my.op returns"),
        (RuntimeError("size of tensor"), r"do not pass through a step \(size of tensor\)"),
    ],
)
def test_another_error_of_a_method_is_not_called_one_of_values(error, message, monkeypatch):
    def attach(*arguments, **options):
        raise error

    monkeypatch.setattr(Lora, "attach", attach)
    with pytest.raises(Unpredictable, match=message):
        predict("lora")


def test_a_real_model_can_be_built_afterwards():
    predict("qlora")
    model = build().to(torch.bfloat16)
    assert isinstance(model.classifier, nn.Linear) and model.classifier.weight.dtype == torch.bfloat16
