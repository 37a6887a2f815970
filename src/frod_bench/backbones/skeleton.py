"""Models with random values, for anything that depends on shapes alone."""

from collections.abc import Mapping
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForImageClassification,
    AutoModelForSequenceClassification,
    PreTrainedModel,
)

from frod_bench.backbones.checked_config import AutoClass
from frod_bench.backbones.directory import DTYPES, Loading, checkpoint_activations
from frod_bench.errors import RequestError


def make_skeleton(
    architecture: Mapping[str, Any] | None, num_labels: int | None, layers: int, loading: Loading | None = None
) -> PreTrainedModel:
    """Return a classifier, or with `num_labels=None` a language model, of `layers` blocks, without reading a file.

    `architecture` holds the values of the library's configuration, including `model_type`. Raises RequestError when it
    is None.
    """
    if architecture is None:
        raise RequestError(
            "The backbone's shapes are not known: give its YAML facts.architecture, the values of the library's"
            " configuration with model_type among them, as configs/backbone/roberta_large.yaml does."
        )
    loading = loading or Loading()
    labels: dict[str, Any] = {} if num_labels is None else {"num_labels": num_labels}
    auto: AutoClass
    values = {**architecture, "num_hidden_layers": layers}
    if values["model_type"] == "clip_vision_model":  # its classifier needs the configuration of both towers
        config = AutoConfig.for_model("clip", vision_config=values, **labels)
        auto = AutoModelForImageClassification
    else:
        config = AutoConfig.for_model(**values, pad_token_id=0, **labels)
        auto = AutoModelForCausalLM if num_labels is None else _classifier(values)
    model = auto.from_config(config, dtype=torch.float32, trust_remote_code=False).to(DTYPES[loading.dtype])
    model.config.use_cache = False
    if loading.gradient_checkpointing:
        checkpoint_activations(model)
    return model


def _classifier(values: Mapping[str, Any]) -> AutoClass:
    return AutoModelForImageClassification if "patch_size" in values else AutoModelForSequenceClassification
