"""A model directory in the layout of `save_pretrained`: checks, tokenizer, model and fingerprint."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoModelForImageClassification,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from frod_bench.backbones.availability import require_directory
from frod_bench.backbones.base import renew_head, require_generator, seeded, silence_transformers
from frod_bench.backbones.checked_config import AutoClass, on_meta, read_config
from frod_bench.backbones.model_files import PREPROCESSING
from frod_bench.errors import RequestError, did_you_mean
from frod_bench.module_names import in_matching_module

_READERS = {
    "text": {"a tokenizer (tokenizer.json)": ["tokenizer.json", "vocab.json", "vocab.txt", "*.model"]},
    "images": {f"a description of its preprocessing ({PREPROCESSING})": [PREPROCESSING]},
}
_WRITERS = {"text": "tokenizer", "images": "image processor"}
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
ATTENTIONS = ("sdpa", "flash_attention_2", "eager")


@dataclass(frozen=True)
class Loading:
    """How to load a model. Raises RequestError, naming the key, for an unknown value.

    `dtype` is that of the loaded weights; `attention` is the library's name of an implementation, or None for its own
    choice; `gradient_checkpointing` recomputes activations in the backward pass instead of storing them.
    """

    dtype: str = "float32"
    attention: str | None = None
    gradient_checkpointing: bool = False

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise RequestError(f"backbone.dtype={self.dtype} is not known. {did_you_mean(str(self.dtype), DTYPES)}")
        if self.attention not in (None, *ATTENTIONS):
            hint = did_you_mean(str(self.attention), ATTENTIONS)
            raise RequestError(f"backbone.attention={self.attention} is not known. {hint}")
        if not isinstance(self.gradient_checkpointing, bool):
            raise RequestError(
                f"backbone.gradient_checkpointing={self.gradient_checkpointing} is not accepted: true or false."
            )


def check_directory(directory: Path, reads: str = "text") -> None:
    """Raise RequestError unless `directory` holds a configuration, safetensors weights and what `reads` needs.

    That is a tokenizer for text, and a description of the preprocessing for images.
    """
    require_directory(directory)
    wanted = {
        "config.json": ["config.json"],
        "weights (model.safetensors)": ["model*.safetensors"],
    } | _READERS[reads]
    missing = [what for what, patterns in wanted.items() if not any(any(directory.glob(p)) for p in patterns)]
    if missing:
        raise RequestError(
            f"The model directory {directory} lacks {' and '.join(missing)}. "
            f"It must hold what save_pretrained of the model and of its {_WRITERS[reads]} write, as safetensors."
        )
    if (directory / "adapter_config.json").exists():  # the library would load its base model from elsewhere
        raise RequestError(f"The model directory {directory} holds an adapter (adapter_config.json). Merge it first.")


def load_tokenizer(directory: Path) -> PreTrainedTokenizerBase:
    """Read the tokenizer of a model directory. Raises RequestError when it cannot be read.

    Without a padding token, it pads with its end token, as the released code does for LLaMA. Its maximum length is at
    most the context of the model.
    """
    check_directory(directory)
    context = getattr(read_config(directory), "max_position_embeddings", None)
    if context is not None and not (isinstance(context, int) and context > 0):
        raise RequestError(f"{directory}/config.json has max_position_embeddings={context!r}: accepted, 1 or more.")
    try:
        with silence_transformers():
            tokenizer = AutoTokenizer.from_pretrained(directory, trust_remote_code=False)
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
        if context is not None:
            tokenizer.model_max_length = min(tokenizer.model_max_length, context)
        if tokenizer.model_max_length < 1:
            raise ValueError(f"model_max_length={tokenizer.model_max_length} is not 1 or more.")
        tokenizer("a", truncation=True, max_length=2)
    except BaseException as error:  # a panic in the Rust library is not an Exception
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise RequestError(f"The tokenizer in {directory} cannot be read: {_first_line(error)}") from error
    return tokenizer


def load_model(
    directory: Path,
    num_labels: int | None,
    head: Sequence[str],
    seed: int,
    loading: Loading | None = None,
    classifier: AutoClass = AutoModelForSequenceClassification,
    new: Sequence[str] | None = None,
) -> PreTrainedModel:
    """Read a model directory as a `classifier` with a new head drawn from `seed`.

    `new` are the modules of the head that are drawn, by default all of it. With `num_labels=None`, read the directory
    as a language model. Raises RequestError when the files cannot be read, when weights of the body are missing or do
    not fit, and when the requested attention is not available.
    """
    reads = "images" if classifier is AutoModelForImageClassification else "text"
    check_directory(directory, reads)
    loading = loading or Loading()
    auto: AutoClass = AutoModelForCausalLM
    options: dict[str, Any] = {}
    if num_labels is not None:
        auto, options = classifier, {"num_labels": num_labels, "problem_type": "single_label_classification"}
    ours = [] if num_labels is None else head
    on_meta(directory, auto, ours, **options)
    if num_labels is not None:
        options["ignore_mismatched_sizes"] = True  # the head may have other labels; the body is checked below
    try:
        with silence_transformers(), seeded(seed):
            loaded: Any = auto.from_pretrained(
                directory,
                dtype=DTYPES[loading.dtype],
                attn_implementation=loading.attention,
                use_safetensors=True,
                trust_remote_code=False,
                output_loading_info=True,
                **options,
            )
    except Exception as error:  # the library raises many types for files that it did not write
        if isinstance(error, ImportError) and loading.attention is not None:
            raise RequestError(
                f"backbone.attention={loading.attention} is not available: {_first_line(error)} Use sdpa."
            ) from error
        raise RequestError(f"The model in {directory} cannot be read: {_first_line(error)}") from error
    model, report = loaded
    mismatched = {key[0] for key in report["mismatched_keys"]}
    if num_labels is None:
        require_generator(model.config)
    broken = sorted(key for key in {*report["missing_keys"], *mismatched} if not in_matching_module(key, ours))
    if broken:
        raise RequestError(
            f"The weights in {directory} do not fit its config.json: {len(broken)} tensors beyond the head "
            f"are absent or of another size, {broken[0]} among them. Give a complete checkpoint."
        )
    if num_labels is not None:
        renew_head(model, head if new is None else new, seed)
    if reads == "text":
        if model.config.pad_token_id is None:  # a classifier reads the last token that is not padding
            model.config.pad_token_id = load_tokenizer(directory).pad_token_id
        model.config.use_cache = False  # not used in training; generation turns it on by itself
    if loading.gradient_checkpointing:
        checkpoint_activations(model)
    return model


def checkpoint_activations(model: PreTrainedModel) -> None:
    """Make the blocks of `model` recompute their activations in the backward pass."""
    if hasattr(model, "activation_checkpointing_enable"):  # newer than transformers 5.17; the other is removed in 6
        model.activation_checkpointing_enable({"use_reentrant": False})
    else:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})


def fingerprint(directory: Path) -> str:
    """Return the sha256 of the configuration and the weight files of a model directory, in order of name."""
    digest = hashlib.sha256()
    for path in [directory / "config.json", *sorted(directory.glob("model*.safetensors"))]:
        digest.update(bytes.fromhex(file_digest(path)))
    return digest.hexdigest()


def file_digest(path: Path) -> str:
    """Return the sha256 of one file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0] or type(error).__name__
