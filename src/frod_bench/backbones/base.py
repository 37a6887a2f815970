"""The interface of backbones, and the new head that all of them get in the same way."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch import nn
from transformers import MODEL_FOR_MASKED_LM_MAPPING, PreTrainedConfig, PreTrainedModel
from transformers.utils import logging

from frod_bench.errors import RequestError, did_you_mean
from frod_bench.module_names import in_matching_module


class Backbone(Protocol):
    """A pretrained model. Constructing one is cheap: `build` loads the weights.

    `targets` and `head` are suffixes of module names; see `frod_bench.module_names`.
    """

    name: str
    targets: list[str]
    head: list[str]

    def processor(self) -> Any:
        """Return the preprocessor of the pretrained model: a tokenizer for text, a transform for images."""

    def build(self, num_labels: int | None, seed: int) -> nn.Module:
        """Return a classifier in float32 with a new head; called with a batch, it returns `loss` and `logits`.

        Dropout is as in its configuration. With `num_labels=None`, the model keeps its language-model head and gets no
        new one. The weights of a new head depend on `seed` alone, and the global random state is left unchanged.
        Raises RequestError when the weights are not available or do not fit the architecture.
        """

    def skeleton(self, num_labels: int | None, layers: int) -> nn.Module:
        """Return a model like that of `build` with `layers` blocks and random values, without file or network."""

    def provenance(self) -> dict:
        """Return the origin of the weights.

        Keys are `source` (hub, local, package, random), `id`, and `revision` (hub) or `fingerprint` (sha256).
        """


def renew_head(model: PreTrainedModel, head: Sequence[str], seed: int) -> None:
    """Reinitialise the head from `seed`, by the rule of the model's own library.

    Raises RequestError when no module of the model matches `head`.
    """
    modules = [module for name, module in model.named_modules() if in_matching_module(name, head)]
    if not modules:
        children = [name for name, _ in model.named_children()]
        raise RequestError(f"backbone.head={head}: the model has no such module. {did_you_mean(head[0], children)}")
    with seeded(seed):
        for module in modules:
            for parameter in module.parameters(recurse=False):
                parameter._is_hf_initialized = False  # otherwise the library skips it as already loaded
            model._init_weights(module)


def require_generator(config: PreTrainedConfig) -> None:
    """Raise RequestError for a bidirectional model, which cannot generate text."""
    if type(config) in MODEL_FOR_MASKED_LM_MAPPING and not getattr(config, "is_decoder", False):
        raise RequestError(
            f"The backbone's architecture {config.model_type} reads text in both directions and writes no answers. "
            "Name one that does, such as backbone=smollm2_135m, or leave protocol= out: a classifier answers then."
        )


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch inside the block, and restore the global CPU generator after it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


@contextmanager
def silence_transformers() -> Iterator[None]:
    """Silence the loading reports and progress bars of transformers inside the block."""
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
