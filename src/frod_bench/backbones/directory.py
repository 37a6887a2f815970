"""A model directory in the layout of `save_pretrained`: its checks, tokenizer, classifier and fingerprint."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from frod_bench.backbones.base import belongs, quiet, renew_head, seeded
from frod_bench.errors import RequestError

VOCABULARIES = ("tokenizer.json", "vocab.json", "vocab.txt", "*.model")


def check_directory(directory: Path) -> None:
    """Raise RequestError unless `directory` holds a configuration, safetensors weights and a tokenizer."""
    if not directory.is_dir():
        raise RequestError(f"There is no model directory {directory}. Give one that save_pretrained wrote.")
    wanted = {
        "config.json": ["config.json"],
        "weights (model.safetensors)": ["model*.safetensors"],
        "a tokenizer (tokenizer.json)": VOCABULARIES,
    }
    missing = [what for what, patterns in wanted.items() if not any(any(directory.glob(p)) for p in patterns)]
    if missing:
        raise RequestError(
            f"The model directory {directory} lacks {' and '.join(missing)}. "
            f"It must hold what save_pretrained of the model and of its tokenizer write, as safetensors."
        )


def load_tokenizer(directory: Path) -> PreTrainedTokenizerBase:
    """Read the tokenizer of a model directory; raises RequestError when it cannot be read."""
    check_directory(directory)
    try:
        with quiet():
            return AutoTokenizer.from_pretrained(directory, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise RequestError(f"The tokenizer in {directory} cannot be read: {_first_line(error)}") from error


def load_classifier(directory: Path, num_labels: int, head: Sequence[str], seed: int) -> PreTrainedModel:
    """Read a model directory as a sequence classifier in float32 with a new head drawn from `seed`.

    Raises RequestError when the files cannot be read, or when weights of the body are absent or do not fit.
    """
    check_directory(directory)
    try:
        with quiet(), seeded(seed):
            model, report = AutoModelForSequenceClassification.from_pretrained(
                directory,
                num_labels=num_labels,
                dtype=torch.float32,
                use_safetensors=True,
                trust_remote_code=False,
                ignore_mismatched_sizes=True,  # the head may have other labels; the body is checked
                output_loading_info=True,
            )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise RequestError(f"The model in {directory} cannot be read: {_first_line(error)}") from error
    mismatched = {key[0] for key in report["mismatched_keys"]}
    broken = sorted(key for key in {*report["missing_keys"], *mismatched} if not belongs(key, head))
    if broken:
        raise RequestError(
            f"The weights in {directory} do not fit its config.json: {len(broken)} tensors beyond the head "
            f"are absent or of another size, {broken[0]} among them. Give a complete checkpoint."
        )
    renew_head(model, head, seed)
    return model


def fingerprint(directory: Path) -> str:
    """Return the sha256 over the configuration and the weight files of a model directory, in name order."""
    digest = hashlib.sha256()
    for path in [directory / "config.json", *sorted(directory.glob("model*.safetensors"))]:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0] or type(error).__name__
