"""A backbone whose weights come as one GGUF file inside a Python package."""

import os
import shutil
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from frod_bench.backbones.base import quiet
from frod_bench.backbones.directory import file_digest, load_model, load_tokenizer
from frod_bench.backbones.packaged import package_folder, package_identity
from frod_bench.disk_cache import cache_folder, exclusively
from frod_bench.errors import RequestError


@dataclass
class GgufBackbone:
    """The file `file` inside the import package `module` of the distribution `package`.

    Its quantised weights are expanded to float32 once, into a model directory in the cache that later runs read.
    `facts` (parameters, hidden, layers) is for listings; nothing is computed from it.
    """

    name: str
    package: str
    module: str
    file: str
    targets: list[str]
    head: list[str]
    facts: dict = field(default_factory=dict)

    def processor(self) -> PreTrainedTokenizerBase:
        """Return the tokenizer that the file describes."""
        return load_tokenizer(self.directory)

    def build(self, num_labels: int | None, seed: int) -> PreTrainedModel:
        """Return the classifier with a new head, or the language model; see `Backbone.build`."""
        return load_model(self.directory, num_labels, self.head, seed)

    def provenance(self) -> dict:
        """Return the distribution with its version, and the sha256 of the file."""
        source = package_folder(self.package, self.module, self.name) / self.file
        identity = f"{package_identity(self.package)}, {self.file} expanded to float32"
        return {"source": "package", "id": identity, "fingerprint": file_digest(source)}

    @cached_property
    def directory(self) -> Path:
        """The model directory in the cache, made when it is not there. Raises RequestError without the packages."""
        source = package_folder(self.package, self.module, self.name)
        directory = cache_folder("weights") / f"{Path(self.file).stem}-{file_digest(source / self.file)[:16]}"
        with exclusively(directory):
            if not directory.exists():
                _expand(source, self.file, directory)
        return directory


def _expand(source: Path, file: str, directory: Path) -> None:
    """Write the model and the tokenizer of a GGUF file as `save_pretrained` does; whole or not at all."""
    partial = directory.with_name(f"{directory.name}.{os.getpid()}.tmp")
    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(source, gguf_file=file)
            expanded = AutoModelForCausalLM.from_pretrained(source, gguf_file=file, dtype="float32")
    except ImportError as error:
        raise RequestError("A GGUF file needs the package gguf: type `make setup`, or `pip install gguf`.") from error
    del expanded.config.quantization_config  # what is written is no longer quantised
    plain = AutoModelForCausalLM.from_config(expanded.config, dtype="float32")
    plain.load_state_dict(expanded.state_dict())
    plain.save_pretrained(partial)
    tokenizer.save_pretrained(partial)
    shutil.rmtree(directory, ignore_errors=True)
    partial.replace(directory)
