"""CLIP's image tower from open_clip (Radford et al. 2021, arXiv 2103.00020), with a new classification head."""

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import open_clip
import torch
from torch import Tensor

from frod_bench.backbones.base import seeded
from frod_bench.backbones.clip_tower import ImageClassifier, PatchMeanClassifier, TextHeadClassifier
from frod_bench.backbones.clip_weights import hub_file, local_file, read_weights
from frod_bench.backbones.image_transform import ImageTransform
from frod_bench.errors import RequestError, did_you_mean

HEADS = ("random", "text")
_BODY_SEED = 0
_UNREAD = ("visual.ln_post.", "visual.proj")  # not used by a head on the patch tokens


@dataclass
class ClipBackbone:
    """The model that open_clip calls `model`, with the weights `pretrained` (a tag of open_clip, null for random).

    `path`, a checkpoint of open_clip or transformers or its directory, takes precedence over `pretrained`.
    `head_init=random` is the released code's head on the mean of the patch tokens; `head_init=text` starts as the
    zero-shot classifier of the `class_names` inserted into `prompt`. `facts` is for listings. Raises RequestError for
    an unknown model or head.
    """

    name: str
    model: str
    targets: list[str]
    head: list[str]
    pretrained: str | None = "openai"
    path: str | None = None
    head_init: str = "random"
    class_names: list[str] | None = None
    prompt: str = "a photo of a {}."
    facts: dict = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.head_init not in HEADS:
            raise RequestError(
                f"backbone.head_init={self.head_init} is not known. {did_you_mean(str(self.head_init), HEADS)}"
            )
        if open_clip.get_model_config(self.model) is None:
            raise RequestError(
                f"backbone.model={self.model} is not known. {did_you_mean(self.model, open_clip.list_models())}"
            )

    def processor(self) -> ImageTransform:
        """Return open_clip's evaluation transform for this model, with the colour statistics of its weights."""
        known = open_clip.get_pretrained_cfg(self.model, self.pretrained) if self.pretrained is not None else {}
        statistics: dict[str, Any] = {key: tuple(known[key]) for key in ("mean", "std") if key in known}
        return ImageTransform(open_clip.get_model_config(self.model)["vision_cfg"]["image_size"], **statistics)

    def build(self, num_labels: int, seed: int) -> ImageClassifier:
        """Return the classifier with a new head; see `Backbone.build`."""
        clip = self._clip()
        if self.head_init == "text":
            return TextHeadClassifier(clip.visual, self._class_vectors(clip, num_labels)).eval()
        with seeded(seed):
            return PatchMeanClassifier(clip.visual, num_labels).eval()

    def skeleton(self, num_labels: int, layers: int) -> PatchMeanClassifier:
        """Return a model of `layers` blocks with random values; see `Backbone.skeleton`."""
        config = open_clip.get_model_config(self.model)
        config["vision_cfg"]["layers"], config["text_cfg"]["layers"] = layers, 1
        return PatchMeanClassifier(open_clip.CLIP(**config).visual, num_labels)

    def provenance(self) -> dict:
        """Return the hub's model and commit, the local file with its sha256, or that the weights are random."""
        if self._file is None:
            return {"source": "random", "id": self.model, "fingerprint": f"seed {_BODY_SEED}"}
        if self.path is None:
            return {"source": "hub", "id": f"{self.model} {self.pretrained}", "revision": self._file.parent.name}
        with self._file.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return {"source": "local", "id": self.path, "fingerprint": digest}

    @cached_property
    def _file(self) -> Path | None:
        if self.path is not None:
            return local_file(self.path)
        return None if self.pretrained is None else hub_file(self.model, self.pretrained)

    def _clip(self) -> open_clip.CLIP:
        """Return the full CLIP model. Raises RequestError when the weights do not fit it."""
        config = open_clip.get_model_config(self.model)
        if config.get("custom_text") or not _is_transformer(config["vision_cfg"]):
            raise RequestError(
                f"backbone.model={self.model} is no plain CLIP with a vision transformer. Accepted: ViT-B-32-quickgelu,"
                " ViT-L-14 and others of that kind, as open_clip names them."
            )
        tensors = None if self._file is None else read_weights(self._file)
        with seeded(_BODY_SEED):
            clip = open_clip.CLIP(**config)
        if tensors is not None:
            wanted = clip.state_dict()
            if self.head_init == "random":
                wanted = {n: t for n, t in wanted.items() if n.startswith("visual.") and not n.startswith(_UNREAD)}
            broken = [n for n, t in wanted.items() if n not in tensors or tensors[n].shape != t.shape]
            if broken:
                raise RequestError(
                    f"The weights {self._file} do not fit {self.model}: {len(broken)} of {len(wanted)} tensors are "
                    f"absent or of another size, {broken[0]} among them. Give a checkpoint of that model."
                )
            clip.load_state_dict({name: tensors[name] for name in wanted}, strict=False)
        return clip

    @torch.no_grad()
    def _class_vectors(self, clip: open_clip.CLIP, num_labels: int) -> Tensor:
        """Return the unit vectors of the class names times the logit scale [num_labels, width of the shared space]."""
        if self.class_names is None or len(self.class_names) != num_labels or "{}" not in self.prompt:
            raise RequestError(
                f"backbone.head_init=text needs a name for each of the {num_labels} classes and a backbone.prompt "
                "with {} in it. Take a vision task, or give backbone.class_names=[...]."
            )
        tokens = open_clip.get_tokenizer(self.model)(
            [self.prompt.replace("{}", str(name)) for name in self.class_names]
        )
        vectors = [clip.eval().encode_text(part, normalize=True) for part in tokens.split(64)]
        return torch.cat(vectors) * clip.logit_scale.exp()


def _is_transformer(vision: dict) -> bool:
    """Return whether open_clip builds its own vision transformer from this part of a configuration."""
    return isinstance(vision.get("layers"), int) and not vision.get("timm_model_name")
