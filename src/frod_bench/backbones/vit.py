"""A small image tower of CLIP's architecture, with weights from this package or random ones."""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

from open_clip.transformer import VisionTransformer
from safetensors.torch import load_file

from frod_bench.backbones.base import seeded
from frod_bench.backbones.clip_tower import PatchMeanClassifier
from frod_bench.backbones.image_transform import ImageTransform

ASSETS = Path(__file__).parent / "assets"
_FILE = "model.safetensors"
_BODY_SEED = 0


@dataclass
class VitBackbone:
    """A vision transformer of the sizes in `architecture`: image_size, patch_size, width, layers, heads.

    `weights` is the folder below `assets/` that holds its tensors; null gives random ones, the same for every seed, for
    tests and smoke runs. `facts` is for listings.
    """

    name: str
    architecture: dict[str, int]
    targets: list[str]
    head: list[str]
    weights: str | None = None
    facts: dict = field(default_factory=dict)

    def processor(self) -> ImageTransform:
        """Return the transform to square images of `image_size` pixels."""
        return ImageTransform(self.architecture["image_size"])

    def build(self, num_labels: int, seed: int) -> PatchMeanClassifier:
        """Return the classifier with a new head; see `Backbone.build`."""
        with seeded(_BODY_SEED):
            tower = make_tower(**self.architecture)
        with seeded(seed):
            model = PatchMeanClassifier(tower, num_labels)
        if self.weights is not None:
            tensors = load_file(ASSETS / self.weights / _FILE)
            model.vision_model.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
        return model.eval()

    def skeleton(self, num_labels: int, layers: int) -> PatchMeanClassifier:
        """Return a model of `layers` blocks with random values; see `Backbone.skeleton`."""
        return PatchMeanClassifier(make_tower(**{**self.architecture, "layers": layers}), num_labels)

    def provenance(self) -> dict:
        """Return the sha256 of the weights, or of what determines the random ones."""
        if self.weights is not None:
            content, source = (ASSETS / self.weights / _FILE).read_bytes(), "package"
        else:
            content, source = json.dumps([self.architecture, _BODY_SEED], sort_keys=True).encode(), "random"
        return {"source": source, "id": self.name, "fingerprint": hashlib.sha256(content).hexdigest()}


def make_tower(
    image_size: int, patch_size: int, width: int, layers: int, heads: int, patch_dropout: float = 0.0
) -> VisionTransformer:
    """Return open_clip's tower with random weights; `patch_dropout` is the fraction of patches dropped in training."""
    return VisionTransformer(
        image_size, patch_size, width, layers, heads, mlp_ratio=4.0, output_dim=width, patch_dropout=patch_dropout
    )
