"""What the backbones share whose tokenizer and weights lie in a model directory."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from frod_bench.backbones.directory import Loading, load_model, load_tokenizer
from frod_bench.backbones.skeleton import make_skeleton


class DirectoryBackbone:
    """Base of such backbones: a subclass is a dataclass with these fields and says where the `directory` is.

    `facts` (parameters, architecture) is for listings and estimates; no run depends on it.
    """

    head: list[str]
    facts: Mapping[str, Any]
    loading = Loading()

    @property
    def directory(self) -> Path:
        """The model directory, made or downloaded if need be. Raises RequestError when that fails."""
        raise NotImplementedError

    def processor(self) -> PreTrainedTokenizerBase:
        """Return the tokenizer in the directory."""
        return load_tokenizer(self.directory)

    def build(self, num_labels: int | None, seed: int) -> PreTrainedModel:
        """Return the classifier with a new head, or the language model; see `Backbone.build`."""
        return load_model(self.directory, num_labels, self.head, seed, self.loading)

    def skeleton(self, num_labels: int | None, layers: int) -> PreTrainedModel:
        """Return a model of `layers` blocks with random values; see `Backbone.skeleton`."""
        return make_skeleton(self.facts.get("architecture"), num_labels, layers, self.loading)
