"""What every backbone offers, and the new head that all of them put on in the same way."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch import nn
from transformers import MODEL_FOR_MASKED_LM_MAPPING, PreTrainedConfig, PreTrainedModel
from transformers.utils import logging

from frod_bench.errors import RequestError, nearest
from frod_bench.module_names import in_matching_module


class Backbone(Protocol):
    """A pretrained model by name; loading happens in `build`, so constructing one is free.

    `targets` and `head` are suffixes of module names; see `frod_bench.module_names`.
    """

    name: str
    targets: list[str]
    head: list[str]

    def processor(self) -> Any:
        """Return what turns a row's raw field into the model's input, as in pretraining: a tokenizer for text."""

    def build(self, num_labels: int | None, seed: int) -> nn.Module:
        """Return a classifier in float32, dropout as in its configuration; called with a batch it returns
        `loss` and `logits`. With `num_labels=None` the model keeps its language-model head and has no new one.

        The head is new: its weights depend on `seed` alone, and the global random state is left as it was.
        Raises RequestError when the weights are not to be had or do not fit the architecture.
        """

    def skeleton(self, num_labels: int | None, layers: int) -> nn.Module:
        """Return what `build` does with so many blocks and values that mean nothing, from no file or network."""

    def provenance(self) -> dict:
        """Return where the weights come from: `source` (hub, local, package, random), `id`, and a `revision`
        (hub) or a `fingerprint` (sha256)."""


def renew_head(model: PreTrainedModel, head: Sequence[str], seed: int) -> None:
    """Draw the weights of the head anew from `seed`, by the initialisation rule of the model's own library.

    Raises RequestError when no module of the model bears a name in `head`.
    """
    modules = [module for name, module in model.named_modules() if in_matching_module(name, head)]
    if not modules:
        children = [name for name, _ in model.named_children()]
        raise RequestError(f"backbone.head={head}: the model has no such module. {nearest(head[0], children)}")
    with seeded(seed):
        for module in modules:
            for parameter in module.parameters(recurse=False):
                parameter._is_hf_initialized = False  # else the library takes it for loaded and skips it
            model._init_weights(module)


def require_generator(config: PreTrainedConfig) -> None:
    """Raise RequestError for a model that reads text in both directions, and so cannot go on with it."""
    if type(config) in MODEL_FOR_MASKED_LM_MAPPING and not getattr(config, "is_decoder", False):
        raise RequestError(
            f"The backbone's architecture {config.model_type} reads text in both directions and writes no answers. "
            "Name one that does, such as backbone=smollm2_135m, or leave protocol= out: a classifier answers then."
        )


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw from `seed` inside the block and leave the global CPU generator untouched."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


@contextmanager
def quiet() -> Iterator[None]:
    """Keep loading reports and progress bars of transformers off the terminal inside the block."""
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
