import pytest
import torch
from torch import nn
from transformers.utils import logging

from frod_bench.backbones.base import renew_head, seeded, silence_transformers
from frod_bench.errors import RequestError


def test_renew_head_touches_the_head_alone(tiny):
    model = tiny.build(2, seed=0)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with torch.no_grad():
        model.classifier.out_proj.bias.fill_(3.0)
    renew_head(model, ["classifier"], seed=1)
    after = model.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"classifier.dense.weight", "classifier.out_proj.weight"}
    assert after["classifier.out_proj.bias"].eq(0).all()


def test_renew_head_follows_the_initializer_range(tiny):
    tiny.architecture["initializer_range"] = 0.5
    weight = tiny.build(2, seed=0).classifier.dense.weight
    assert weight.std().item() == pytest.approx(0.5, rel=0.1)


def test_renew_head_refuses_an_absent_name(tiny):
    with pytest.raises(RequestError, match=r"no such module\. Accepted: classifier, roberta"):
        renew_head(tiny.build(2, seed=0), ["score"], seed=0)


def test_seeded_restores_the_generator():
    state = torch.get_rng_state()
    with seeded(3):
        first = nn.Linear(4, 4).weight
    assert torch.equal(torch.get_rng_state(), state)
    with seeded(3):
        assert torch.equal(nn.Linear(4, 4).weight, first)


def test_quiet_restores_verbosity_even_after_an_error():
    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    with pytest.raises(KeyError), silence_transformers():
        assert not logging.is_progress_bar_enabled()
        raise KeyError
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before
