"""A model of the user's own: any classifier of transformers, by its name on the hub or as a directory.

Its target layers and its head are found in its modules (`backbones.parts`) unless they are named.
"""

import inspect
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn
from torch._subclasses.fake_tensor import unset_fake_temporarily
from transformers import (
    AutoModelForCausalLM,
    AutoModelForImageClassification,
    AutoModelForSequenceClassification,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from frod_bench.backbones.checked_config import AutoClass, on_meta, read_config, read_tensors
from frod_bench.backbones.directory import (
    DTYPES,
    Loading,
    check_directory,
    checkpoint_activations,
    load_model,
    load_tokenizer,
)
from frod_bench.backbones.directory_backbone import DirectoryBackbone
from frod_bench.backbones.hub import HubBackbone
from frod_bench.backbones.model_files import AUTO, model_fingerprint
from frod_bench.backbones.parts import Parts, find_parts
from frod_bench.backbones.processor_transform import ProcessorTransform
from frod_bench.errors import RequestError

_RGB = 3  # channels


class OwnModel(DirectoryBackbone):
    """The model `id` of the hub at `revision`, or the directory `path`; `targets` and `head` may be `auto`.

    `fingerprint` is the digest of the directory's files when the run began, and `found` the parts that an earlier
    process found in it. The other options are those of `directory.Loading`; `facts` is for forecasts.
    """

    classifier: AutoClass
    reads: str  # text or images

    def __init__(
        self,
        name: str,
        id: str | None,
        targets: list[str] | str,
        head: list[str] | str,
        revision: str | None = None,
        path: str | None = None,
        fingerprint: str | None = None,
        dtype: str = "float32",
        attention: str | None = None,
        gradient_checkpointing: bool = False,
        found: dict[str, Any] | None = None,
        facts: dict[str, Any] | None = None,
    ):
        self.name, self.path, self.fingerprint, self.facts = name, path, fingerprint, facts or {}
        self.loading = Loading(dtype, attention, gradient_checkpointing)
        self._hub = HubBackbone(name, id or "", [], [], revision, path)
        self._asked = {"targets": targets, "head": head}
        self._found = found

    @cached_property
    def directory(self) -> Path:
        """See `HubBackbone`. Raises RequestError also when the files are no longer those of the run."""
        directory = self._hub.directory
        check_directory(directory, self.reads)
        if self.fingerprint not in (None, model_fingerprint(directory)):
            raise RequestError(
                f"The files of the model in {directory} have changed since the run began, so they are another model."
                " Put the earlier ones back."
            )
        return directory

    @property
    def targets(self) -> list[str]:
        """The names of the target layers, those in the blocks if `auto` was asked for."""
        asked = self._asked["targets"]
        return self.parts.targets if isinstance(asked, str) else asked

    @property
    def head(self) -> list[str]:  # type: ignore[override]  # found, not set
        """The names of the head's modules."""
        asked = self._asked["head"]
        return self.parts.head if isinstance(asked, str) else asked

    @property
    def last(self) -> list[str]:
        """The names of the modules with a row for each class."""
        return self.parts.classifier

    @cached_property
    def parts(self) -> Parts:
        """The target layers and the head. Raises RequestError where the model leaves them open."""
        if self._found is not None:
            return Parts(**self._found)
        kind = type(self._meta)
        if "labels" not in inspect.signature(kind.forward).parameters:
            raise RequestError(
                f"{kind.__name__} takes no labels, so it cannot be trained. Give another model, or name a class that"
                f" does in `architectures` of {self.directory}/config.json."
            )
        targets, head = (None if asked == AUTO else cast(list[str], asked) for asked in self._asked.values())
        return find_parts(self._meta, self._on_meta(3), read_tensors(self.directory), targets, head)

    @cached_property
    def _meta(self) -> PreTrainedModel:
        return self._on_meta(2)

    def _on_meta(self, num_labels: int) -> PreTrainedModel:
        return on_meta(self.directory, self.classifier, (), num_labels=num_labels)

    def build(self, num_labels: int | None, seed: int) -> PreTrainedModel:
        """Return the classifier with a new head, or the language model; see `Backbone.build`.

        Modules of the head that the checkpoint holds, and whose size is not the number of classes, are kept.
        """
        head, new = self.parts.head, self.parts.new
        return load_model(self.directory, num_labels, head, seed, self.loading, self.classifier, new)

    def skeleton(self, num_labels: int | None, layers: int) -> PreTrainedModel:
        """Return a model of `layers` blocks with arbitrary values; see `Backbone.skeleton`."""
        planned = self.facts.get("architecture") and not self._hub.is_local  # a registered one, before its download
        with unset_fake_temporarily(), torch.device("meta"):  # some architectures read values while they are made
            model = super().skeleton(num_labels, layers) if planned else self._from_config(num_labels, layers)
        model.to_empty(device="cpu")
        if self.loading.gradient_checkpointing:
            checkpoint_activations(model)
        return model

    def _from_config(self, num_labels: int | None, layers: int) -> PreTrainedModel:
        config = read_config(self.directory)
        for part in (config, getattr(config, "vision_config", config)):
            part.num_hidden_layers = layers
            if getattr(part, "layer_types", None):
                part.layer_types = part.layer_types[:layers]
        if num_labels is not None:
            config.num_labels = num_labels
        config.pad_token_id = getattr(config, "pad_token_id", None) or 0
        auto: AutoClass = AutoModelForCausalLM if num_labels is None else self.classifier
        return auto.from_config(config, dtype=DTYPES[self.loading.dtype], trust_remote_code=False)

    def provenance(self) -> dict:
        """Return the hub id with the commit, or the name of the directory with its fingerprint."""
        if self.path is None:
            return self._hub.provenance()
        return {"source": "local", "id": self.directory.name, "fingerprint": model_fingerprint(self.directory)}


class OwnText(OwnModel):
    """Any model of `AutoModelForSequenceClassification`."""

    classifier: AutoClass = AutoModelForSequenceClassification
    reads = "text"

    def processor(self) -> PreTrainedTokenizerBase:
        """Return the tokenizer, which gives the inputs that the model takes and as many tokens as it has positions.

        Raises RequestError for one that cannot pad, or whose tokens are more than the model's.
        """
        tokenizer = load_tokenizer(self.directory)
        if tokenizer.pad_token is None:
            raise RequestError(
                f"The tokenizer in {self.directory} has neither a padding nor an end token, so rows cannot be padded to"
                " one length. Set its pad_token and save it again."
            )
        words = self._meta.get_input_embeddings()
        if isinstance(words, nn.Embedding) and len(tokenizer) > words.num_embeddings:
            raise RequestError(
                f"The tokenizer in {self.directory} has {len(tokenizer):,} tokens and the model has"
                f" {words.num_embeddings:,}, so they do not belong together. Give a complete checkpoint."
            )
        accepted = inspect.signature(type(self._meta).forward).parameters
        tokenizer.model_input_names = [name for name in tokenizer.model_input_names if name in accepted]
        for name, module in self._meta.named_modules():  # RoBERTa's positions begin behind its padding token
            if name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None:
                most = module.num_embeddings - module.padding_idx - 1
                tokenizer.model_max_length = min(tokenizer.model_max_length, most)
        return tokenizer


class OwnImages(OwnModel):
    """Any model of `AutoModelForImageClassification`."""

    classifier: AutoClass = AutoModelForImageClassification
    reads = "images"

    def processor(self) -> ProcessorTransform:  # type: ignore[override]
        """Return the preprocessing of the model's own image processor.

        Raises RequestError for a model that takes no RGB images.
        """
        channels = getattr(read_config(self.directory), "num_channels", _RGB)
        if channels != _RGB:
            raise RequestError(
                f"The model in {self.directory} takes images of {channels} channels (num_channels in config.json);"
                f" accepted: {_RGB}, as images are read in RGB."
            )
        return ProcessorTransform(self.directory)
