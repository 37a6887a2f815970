"""A backbone whose weights come as one GGUF file inside a Python package."""

import shutil
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import xxhash
from transformers import AutoModelForCausalLM, AutoTokenizer

from frod_bench.backbones.base import silence_transformers
from frod_bench.backbones.directory import file_digest
from frod_bench.backbones.directory_backbone import DirectoryBackbone
from frod_bench.backbones.packaged import inside, package_folder, package_identity
from frod_bench.disk_cache import cache_folder, exclusively
from frod_bench.errors import RequestError
from frod_bench.files import filling, refuse_link, save_text

_SUM = "checksum.txt"


@dataclass
class GgufBackbone(DirectoryBackbone):
    """The GGUF file `file` inside the import package `module` of the distribution `package`.

    Its quantised weights are expanded to float32 once, into a model directory in the cache, which later runs read.
    """

    name: str
    package: str
    module: str
    file: str
    targets: list[str]
    head: list[str]
    facts: dict = field(default_factory=dict)

    def provenance(self) -> dict:
        """Return the distribution with its version, and the sha256 of the file."""
        source = package_folder(self.package, self.module, self.name) / self.file
        identity = f"{package_identity(self.package)}, {self.file} expanded to float32"
        return {"source": "package", "id": identity, "fingerprint": file_digest(source)}

    @cached_property
    def directory(self) -> Path:
        """The model directory in the cache, made if it is missing or damaged.

        Raises RequestError when a package is missing, when `file` is outside its package, and when the cache cannot be
        written.
        """
        source = package_folder(self.package, self.module, self.name)
        file = inside(source, self.file, "backbone.file")
        directory = cache_folder("weights") / f"{file.stem}-{file_digest(file)[:16]}"
        with exclusively(directory):
            if not _is_whole(directory):
                try:
                    _expand(source, self.file, directory)
                except OSError as error:
                    raise RequestError(
                        f"The cache {directory.parent} cannot be written ({error.strerror or error}). Make room, or"
                        " set FROD_BENCH_CACHE to another directory."
                    ) from error
        return directory


def _expand(source: Path, file: str, directory: Path) -> None:
    """Write the model and the tokenizer of a GGUF file as `save_pretrained` does, with a checksum of all files."""
    try:
        with silence_transformers():
            tokenizer = AutoTokenizer.from_pretrained(source, gguf_file=file, trust_remote_code=False)
            expanded = AutoModelForCausalLM.from_pretrained(
                source, gguf_file=file, dtype="float32", trust_remote_code=False
            )
    except ImportError as error:
        raise RequestError("A GGUF file needs the package gguf: type `make setup`, or `pip install gguf`.") from error
    del expanded.config.quantization_config  # the written weights are not quantised
    plain = AutoModelForCausalLM.from_config(expanded.config, dtype="float32", trust_remote_code=False)
    plain.load_state_dict(expanded.state_dict())
    refuse_link(directory)
    shutil.rmtree(directory, ignore_errors=True)
    with filling(directory) as made:
        plain.save_pretrained(made)
        tokenizer.save_pretrained(made)
        save_text(made / _SUM, _checksum(made))


def _is_whole(directory: Path) -> bool:
    try:
        return (directory / _SUM).read_text() == _checksum(directory)
    except OSError:
        return False


def _checksum(directory: Path) -> str:
    digest = xxhash.xxh3_128()
    for file in sorted(path for path in directory.iterdir() if path.name != _SUM):
        digest.update(file.name.encode())
        with open(file, "rb") as stream:
            while block := stream.read(2**20):
                digest.update(block)
    return digest.hexdigest()
