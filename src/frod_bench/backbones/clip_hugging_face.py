"""An image classifier on open_clip's tower as transformers' `CLIPForImageClassification`, which computes the same.

transformers' class, too, puts its head on the mean of the patch tokens before the last normalisation.
"""

import re

import torch
from torch import nn
from transformers import CLIPConfig, CLIPForImageClassification, CLIPImageProcessor, CLIPVisionConfig

from frod_bench.backbones.clip_tower import PatchMeanClassifier
from frod_bench.backbones.image_transform import ImageTransform

# open_clip's names, as `clip_tower.split_tower` leaves them, and those of transformers
_NAMES = (
    (r"^vision_model\.class_embedding$", "vision_model.embeddings.class_embedding"),
    (r"^vision_model\.positional_embedding$", "vision_model.embeddings.position_embedding.weight"),
    (r"^vision_model\.conv1\.", "vision_model.embeddings.patch_embedding."),
    (r"^vision_model\.ln_pre\.", "vision_model.pre_layrnorm."),
    (r"^vision_model\.transformer\.resblocks\.", "vision_model.encoder.layers."),
    (r"\.ln_([12])\.", r".layer_norm\1."),
    (r"\.attn\.", ".self_attn."),
)


def to_hugging_face(model: nn.Module) -> CLIPForImageClassification | None:
    """Return a plain classifier on the mean of the patch tokens as a model of transformers, None for another one."""
    if not isinstance(model, PatchMeanClassifier):
        return None
    tower, head = model.vision_model, model.classifier
    blocks = tower.transformer.resblocks
    width, size, patch = tower.conv1.out_channels, tower.image_size[0], tower.patch_size[0]
    config = CLIPConfig(
        vision_config=CLIPVisionConfig(
            hidden_size=width,
            intermediate_size=blocks[0].mlp.fc1.out_features,
            num_hidden_layers=len(blocks),
            num_attention_heads=blocks[0].attn.num_heads,
            image_size=size,
            patch_size=patch,
            hidden_act="gelu" if isinstance(blocks[0].mlp.act, nn.GELU) else "quick_gelu",
            layer_norm_eps=blocks[0].ln_1.eps,
        )
    )
    config.num_labels = head.out_features
    with torch.random.fork_rng(devices=[]):
        made = CLIPForImageClassification(config)
    missing, unknown = made.load_state_dict({_renamed(n): t for n, t in model.state_dict().items()}, strict=False)
    if unknown or any(not name.startswith("vision_model.post_layernorm.") for name in missing):  # nothing reads that
        return None
    return made.eval()


def image_processor(transform: ImageTransform) -> CLIPImageProcessor:
    """Return the evaluation transform as transformers' image processor."""
    return CLIPImageProcessor(
        size={"shortest_edge": transform.size},
        crop_size={"height": transform.size, "width": transform.size},
        image_mean=list(transform.mean),
        image_std=list(transform.std),
        resample=3,  # bicubic
    )


def _renamed(name: str) -> str:
    for pattern, words in _NAMES:
        name = re.sub(pattern, words, name)
    return name
