"""CLIP weights under open_clip's names, from the hub, a file or a directory, in open_clip's or transformers' form."""

import re
from pathlib import Path

import open_clip
import torch
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import LocalEntryNotFoundError
from open_clip.factory import load_state_dict
from torch import Tensor

from frod_bench.backbones.availability import UNREACHABLE, missing_file
from frod_bench.backbones.network import hub_reachable
from frod_bench.errors import RequestError, did_you_mean

_HUB_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
_FILES = (*_HUB_FILES, "model.safetensors", "pytorch_model.bin")

# patterns of transformers' names and open_clip's names; query, key and value projections are concatenated
_NAMES = (
    (r"(vision_model\.)+", "visual."),
    (r"text_model\.", ""),
    (r"embeddings\.class_embedding", "class_embedding"),
    (r"embeddings\.patch_embedding", "conv1"),
    (r"embeddings\.position_embedding\.weight", "positional_embedding"),
    (r"embeddings\.token_embedding", "token_embedding"),
    (r"pre_layrnorm", "ln_pre"),
    (r"post_layernorm", "ln_post"),
    (r"final_layer_norm", "ln_final"),
    (r"encoder\.layers", "transformer.resblocks"),
    (r"layer_norm([12])", r"ln_\1"),
    (r"self_attn", "attn"),
    (r"mlp\.fc1", "mlp.c_fc"),
    (r"mlp\.fc2", "mlp.c_proj"),
    (r"visual_projection\.weight", "visual.proj"),
    (r"text_projection\.weight", "text_projection"),
)
_TRANSPOSED = ("visual.proj", "text_projection")


def hub_file(model: str, tag: str) -> Path:
    """Return the file of open_clip's weights `tag` for `model` in the hub's cache, downloaded if missing.

    Raises RequestError for an unknown tag, and when the file is not available.
    """
    found = open_clip.get_pretrained_cfg(model, tag)
    if not found:
        known = open_clip.list_pretrained_tags_by_model(model)
        raise RequestError(f"backbone.pretrained={tag} is not known for {model}. {did_you_mean(tag, known)}")
    repo, _, name = found.get("hf_hub", "").rpartition("/")
    if not repo:
        raise RequestError(
            f"The weights {tag} of {model} are not on the hub. Give a local copy with backbone.path=FILE, or take the"
            " packaged one: profile=offline."
        )
    reachable, reason = hub_reachable(), UNREACHABLE
    for file in [name] if name else _HUB_FILES:
        try:
            return Path(hf_hub_download(repo, file, local_files_only=not reachable))
        except LocalEntryNotFoundError:
            continue
        except Exception as error:  # the client's HTTP library, and so its errors, differ between versions
            reason = f"the download broke off ({type(error).__name__})"
    raise missing_file(repo, reason)


def local_file(path: str) -> Path:
    """Return the weights file `path`, or the one in the directory `path`. Raises RequestError if there is none."""
    place = Path(path).expanduser()
    file = next((place / name for name in _FILES if (place / name).is_file()), place)
    if not file.is_file():
        raise RequestError(
            f"backbone.path={path} holds no CLIP weights. Accepted: a file, or one of {', '.join(_FILES)}."
        )
    return file


def read_weights(file: Path) -> dict[str, Tensor]:
    """Return the tensors of a checkpoint of open_clip or of transformers, under open_clip's names.

    Reads tensors only, never code. Raises RequestError when the file cannot be read.
    """
    try:
        tensors = load_state_dict(str(file))
    except Exception as error:  # torch and safetensors raise many types for a file that is not theirs
        reason = str(error).strip().split("\n")[0]
        raise RequestError(f"{file} cannot be read as weights ({type(error).__name__}: {reason}).") from error
    return from_transformers(tensors) if any("encoder.layers" in name for name in tensors) else tensors


def from_transformers(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of transformers' CLIP model under open_clip's names, without those of a classifier head."""
    renamed: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        for pattern, ours in _NAMES:
            name = re.sub(rf"(?:^|(?<=\.)){pattern}", ours, name)
        renamed[name] = tensor.T.contiguous() if name in _TRANSPOSED else tensor
    for name in [name for name in renamed if ".attn.q_proj." in name]:
        parts = [renamed.pop(name.replace("q_proj", f"{part}_proj")) for part in "qkv"]
        renamed[name.replace("q_proj.", "in_proj_")] = torch.cat(parts)
    return {name: t for name, t in renamed.items() if not name.startswith("classifier") and "position_ids" not in name}
