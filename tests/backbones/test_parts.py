"""Targets and head as they are found, where the table of architectures does not show it already."""

import pytest
import torch
from torch import nn
from transformers import (
    AutoModelForImageClassification,
    AutoModelForSequenceClassification,
    BertConfig,
    ResNetConfig,
    SiglipConfig,
)

from frod_bench.backbones.parts import find_parts
from frod_bench.errors import RequestError
from frod_bench.module_names import matches

SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}


def both(auto, kind, **values):
    with torch.device("meta"):
        return [auto.from_config(kind(num_labels=classes, **values)) for classes in (2, 3)]


def bert():
    return both(AutoModelForSequenceClassification, BertConfig, vocab_size=32, **SMALL)


def names(model):
    return [name for name, _ in model.named_parameters()]


def test_a_pretrained_pooler_stays_in_the_body():
    parts = find_parts(*bert(), names(bert()[0]))
    assert (parts.head, parts.new, parts.classifier) == (["classifier"], ["classifier"], ["classifier"])
    assert parts.targets == ["query", "key", "value", "output.dense", "intermediate.dense"] and parts.layers == 12


@pytest.mark.parametrize("prefix", ["bert.", ""])  # saved from the classifier, and from the body
def test_a_pooler_that_the_checkpoint_lacks_is_part_of_the_head_and_new(prefix):
    stored = [prefix + name.removeprefix("bert.") for name in names(bert()[0]) if "pooler" not in name]
    parts = find_parts(*bert(), stored)
    assert parts.head == ["bert.pooler", "classifier"] and parts.new == ["classifier", "bert.pooler.dense"]


def test_suffixes_match_the_layers_of_the_blocks_alone():
    two, three = both(AutoModelForImageClassification, SiglipConfig, vision_config=SMALL | {"image_size": 8})
    parts = find_parts(two, three, names(two))
    found = [
        name for name, module in two.named_modules() if isinstance(module, nn.Linear) and matches(name, parts.targets)
    ]
    assert len(found) == parts.layers == 12 and all(name.startswith("vision_model.encoder.layers.") for name in found)


def test_named_parts_are_taken_as_they_are():
    parts = find_parts(*bert(), [], targets=["query"], head=["classifier"])
    assert (parts.targets, parts.head, parts.layers) == (["query"], ["classifier"], 2)
    assert find_parts(*bert(), [], head=["pooler", "classifier"]).new == ["classifier", "bert.pooler.dense"]


def test_a_model_without_linear_layers_in_blocks_says_what_to_type():
    models = both(AutoModelForImageClassification, ResNetConfig, depths=[1, 1], hidden_sizes=[8, 16], embedding_size=8)
    with pytest.raises(RequestError, match=r"has no linear layer but its classifier, so there is nothing to adapt\."):
        find_parts(*models, [])
    models = [nn.ModuleDict({"body": nn.Linear(4, 4), "classifier": nn.Linear(4, n)}) for n in (2, 3)]
    with pytest.raises(RequestError, match=r"no stack of blocks with linear layers.*backbone\.targets=\[NAME,NAME\]"):
        find_parts(*models, [])


class Inside(nn.Module):
    """A classifier in every block, so that none of them is the head."""

    def __init__(self, classes):
        super().__init__()
        blocks = [nn.Sequential(nn.Linear(4, 4), nn.Linear(4, classes)) for _ in range(2)]
        self.blocks = nn.ModuleList(nn.ModuleDict({"body": block}) for block in blocks)


class Twice(nn.Module):
    """A head whose name is also that of a part of the body."""

    def __init__(self, classes):
        super().__init__()
        self.body = nn.ModuleList(nn.ModuleDict({"head": nn.Linear(4, 4)}) for _ in range(2))
        self.head = nn.Linear(4, classes)


@pytest.mark.parametrize(("kind", "head"), [(Inside, "body.1"), (Twice, "head")])
def test_an_ambiguous_head_is_refused_until_it_is_named(kind, head):
    with pytest.raises(RequestError, match=r"leaves open which modules are its head.*backbone\.head=\[NAME\]"):
        find_parts(kind(2), kind(3), [])
    assert find_parts(kind(2), kind(3), [], targets=["0"], head=[head]).head == [head]
