"""The backbones of the paper with random weights: speed and memory depend on shapes alone."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    CLIPConfig,
    CLIPForImageClassification,
    LlamaConfig,
    LlamaForSequenceClassification,
    PretrainedConfig,
    RobertaConfig,
    RobertaForSequenceClassification,
)

_CLASSES = 10


@dataclass(frozen=True)
class Architecture:
    """A backbone by its configuration; it can have fewer blocks than its own, or be `narrow` times narrower."""

    name: str
    layers: int
    batch: int
    length: int | None  # tokens a row; None where the input is an image
    targets: tuple[str, ...]
    head: str
    make: Callable[[int, int], tuple[type[nn.Module], PretrainedConfig]]

    def build(self, layers: int, dtype: torch.dtype, device: torch.device, narrow: int = 1) -> nn.Module:
        """Return the model with random weights, the same ones every time; dropout is off."""
        cls, config = self.make(layers, narrow)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            with torch.device(device):
                return cls(config).to(dtype)

    def inputs(self, batch: int, length: int | None, dtype: torch.dtype, device: torch.device) -> dict[str, Tensor]:
        """Return a batch of random inputs and labels."""
        generator = torch.Generator().manual_seed(0)
        labels = torch.randint(_CLASSES, (batch,), generator=generator)
        if length is None:
            inputs = {"pixel_values": torch.randn(batch, 3, 224, 224, generator=generator).to(dtype)}
        else:
            inputs = {"input_ids": torch.randint(5, 1000, (batch, length), generator=generator)}
        return {name: tensor.to(device) for name, tensor in (inputs | {"labels": labels}).items()}

    def tokens(self, batch: int, length: int | None) -> int:
        """Return how many tokens reach a layer in a step."""
        return batch * (50 if length is None else length)


def _clip(layers: int, narrow: int):
    vision = {"num_hidden_layers": layers, "hidden_size": 768 // narrow, "intermediate_size": 3072 // narrow}
    return CLIPForImageClassification, CLIPConfig(vision_config=vision, num_labels=_CLASSES)


def _bert(layers: int, narrow: int, cls: type, config_class: type, hidden: int, heads: int):
    config = config_class(
        hidden_size=hidden // narrow,
        num_attention_heads=heads,
        intermediate_size=4 * hidden // narrow,
        num_hidden_layers=layers,
        max_position_embeddings=514,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        num_labels=_CLASSES,
    )
    return cls, config


def _llama(layers: int, narrow: int):
    widths = {"hidden_size": 4096 // narrow, "intermediate_size": 11008 // narrow}
    return LlamaForSequenceClassification, LlamaConfig(
        num_hidden_layers=layers, num_labels=_CLASSES, pad_token_id=0, **widths
    )


_BERT_TARGETS = ("query", "key", "value", "output.dense", "intermediate.dense")
ARCHITECTURES = {
    a.name: a
    for a in (
        Architecture(
            "clip_vit_b32", 12, 64, None,
            ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"), "classifier", _clip,
        ),
        Architecture(
            "roberta_large", 24, 8, 64, _BERT_TARGETS, "classifier",
            partial(
                _bert, cls=RobertaForSequenceClassification, config_class=RobertaConfig, hidden=1024, heads=16
            ),
        ),
        Architecture(
            "llama2_7b", 32, 8, 512,
            ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj"), "score", _llama,
        ),
        Architecture(
            "minilm", 6, 16, 64, _BERT_TARGETS, "classifier",
            partial(_bert, cls=BertForSequenceClassification, config_class=BertConfig, hidden=384, heads=12),
        ),
    )
}  # fmt: skip
