"""CLIP's image tower as a classifier in which every projection is an `nn.Linear` that is called.

open_clip computes attention with `nn.MultiheadAttention`, which keeps query, key and value in one tensor and never
calls its `out_proj`, so an adapter in their place would not run. `split_tower` splits it into linear layers.
"""

from collections import OrderedDict

import torch
from open_clip.transformer import VisionTransformer
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.functional import cross_entropy, normalize
from transformers.modeling_outputs import ImageClassifierOutput


class SplitAttention(nn.Module):
    """An `nn.MultiheadAttention` without masks or dropout as four linear layers of width d."""

    q_proj: nn.Linear
    k_proj: nn.Linear
    v_proj: nn.Linear

    def __init__(self, fused: nn.MultiheadAttention):
        super().__init__()
        self.num_heads = fused.num_heads
        for name, weight, bias in zip(
            ("q_proj", "k_proj", "v_proj"), fused.in_proj_weight.chunk(3), fused.in_proj_bias.chunk(3), strict=True
        ):
            self.add_module(name, _linear(weight, bias))
        self.out_proj = _linear(fused.out_proj.weight, fused.out_proj.bias)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, **_: object) -> tuple[Tensor, None]:
        """Return the attention output [batch, tokens, d] of three inputs of that shape, and None for the weights."""
        heads = [
            projection(x).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
            for projection, x in ((self.q_proj, query), (self.k_proj, key), (self.v_proj, value))
        ]
        return self.out_proj(functional.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2)), None


def split_tower(tower: VisionTransformer) -> VisionTransformer:
    """Split the fused attention of every block, in place, and rename the layers of its MLP to fc1 and fc2."""
    for block in tower.transformer.resblocks:
        block.attn = SplitAttention(block.attn)
        layers = OrderedDict(fc1=block.mlp.c_fc, act=block.mlp.gelu, fc2=block.mlp.c_proj)
        block.mlp = nn.Sequential(layers)
    return tower


class ImageClassifier(nn.Module):
    """A tower, split in place, with a linear head on features that a subclass chooses."""

    def __init__(self, tower: VisionTransformer, classifier: nn.Linear):
        super().__init__()
        self.vision_model, self.classifier = split_tower(tower), classifier

    def features(self, pixel_values: Tensor) -> Tensor:
        """Return the input of the head [batch, features] for normalised images [batch, 3, size, size]."""
        raise NotImplementedError

    def forward(self, pixel_values: Tensor, labels: Tensor | None = None) -> ImageClassifierOutput:
        """Return `logits` [batch, num_labels] of normalised images [batch, 3, size, size], and the mean `loss`."""
        logits = self.classifier(self.features(pixel_values))
        loss = None if labels is None else cross_entropy(logits.float(), labels)
        return ImageClassifierOutput(loss=loss, logits=logits)


class PatchMeanClassifier(ImageClassifier):
    """A linear head on the mean of the patch tokens of the last block (the released code's classifier).

    The class token, the last normalisation and the projection into the space shared with text are not used. The weights
    of the latter two are removed, so that every remaining weight gets a gradient.
    """

    def __init__(self, tower: VisionTransformer, num_labels: int):
        width = tower.positional_embedding.shape[1]
        super().__init__(tower, nn.Linear(width, num_labels))
        tower.ln_post, tower.proj = nn.Identity(), None
        nn.init.normal_(self.classifier.weight, std=width**-0.5)
        nn.init.zeros_(self.classifier.bias)

    def features(self, pixel_values: Tensor) -> Tensor:
        """Return the mean of the patch tokens [batch, width]."""
        layers = self.vision_model.forward_intermediates(
            pixel_values, indices=1, intermediates_only=True, output_fmt="NLC"
        )
        return layers["image_intermediates"][0].mean(dim=1)


class TextHeadClassifier(ImageClassifier):
    """A linear head that starts as CLIP's zero-shot classifier (Radford et al. 2021, arXiv 2103.00020, section 3.1).

    Its input is the unit vector of the image, its rows are the unit vectors of the class names times the logit scale.
    """

    def __init__(self, tower: VisionTransformer, class_vectors: Tensor):
        """`class_vectors` [num_labels, width of the shared space] are the rows of the head."""
        super().__init__(tower, _linear(class_vectors, torch.zeros(len(class_vectors))))

    def features(self, pixel_values: Tensor) -> Tensor:
        """Return the unit vector of each image in the space shared with text [batch, width]."""
        return normalize(self.vision_model(pixel_values), dim=-1)


def _linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0], device="meta")
    layer.weight, layer.bias = nn.Parameter(weight.detach().clone()), nn.Parameter(bias.detach().clone())
    return layer
