"""LoRI: LoRA with A frozen at its random draw and B trained, in a second stage through a mask (Zhang et al. 2025,
arXiv 2504.07448), on PEFT's LoRA layers.

Held against the authors' code (github.com/juzhengz/LoRI at 9183468). That code draws A before it sets a seed, so A of
its two stages differs, and the mask of one A is used with another. Here both stages share A. It also clips the gradient
of each matrix by itself, where the trainer here clips that of all together.
"""

import zlib
from dataclasses import asdict, dataclass, replace
from math import sqrt
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from peft import LoraConfig
from torch import Tensor, nn

from frod_bench.errors import RequestError
from frod_bench.methods.lora import Lora
from frod_bench.methods.support.adapted import Adapted
from frod_bench.methods.support.checkpoint import read_checkpoint_config, read_checkpoint_tensors
from frod_bench.methods.support.fingerprint import Sketch, computed_sketch
from frod_bench.methods.support.peft_method import (
    ADAPTER,
    PeftLayer,
    adapter_state,
    peft_names,
    tuner_layers,
    write_peft_checkpoint,
)
from frod_bench.ops import cost

SAVED = "saved"
_A_SKETCH = ".A"


class MaskedLinear(nn.Linear):
    """B [m, r], of which only the entries inside `mask` [m, r] get a gradient; the others keep their values."""

    mask: Tensor

    def __init__(self, B: nn.Linear, mask: Tensor):
        super().__init__(B.in_features, B.out_features, bias=False, device="meta")
        self.weight = B.weight
        self.register_buffer("mask", mask.to(B.weight.device))

    def forward(self, x: Tensor) -> Tensor:
        """Return B x [..., m] of x [..., r]."""
        return nn.functional.linear(x, torch.where(self.mask, self.weight, self.weight.detach()))


@dataclass(frozen=True)
class Lori(Lora):
    """A [r, n] is drawn Kaiming-uniform and frozen; B [m, r] starts at zero and trains.

    mask: None for stage D, in which all of B trains; for stage S the folder of a run of stage D, whose largest |B|,
        over all layers together, are the entries that train. `saved` takes the mask that `load_adapter` reads.
    sparsity: the share of B that stage S leaves at zero.
    a_of: a name that, with the seed, draws A. Runs with the same name share A; the configuration's default is the
        task's name, so that tasks have different A, as the paper's argument for merging needs. In stage S, another name
        than that of the mask's run gives another A, as in the authors' code.
    """

    name: ClassVar[str] = "lori"
    rank: int = 32
    alpha: float = 64.0
    mask: str | None = None
    sparsity: float = 0.9
    a_of: str = ""

    def __post_init__(self):
        super().__post_init__()
        if not 0 <= self.sparsity < 1:
            raise RequestError(f"method.sparsity={self.sparsity} is not accepted: the share of zeros lies in [0, 1).")

    def prepare(self, layers: list[tuple[str, PeftLayer]], seed: int) -> None:
        """See `PeftMethod.prepare`: draw and freeze A, and mask B."""
        masks = {} if self.mask in (None, SAVED) else self._masks(layers, seed)
        for name, layer in layers:
            A, B = layer.lora_A[ADAPTER].weight, layer.lora_B[ADAPTER]
            A.data.copy_(self._draw(name, A.shape, seed))
            A.requires_grad_(False)
            if self.mask is not None:
                everything = torch.ones(B.weight.shape, dtype=torch.bool)
                layer.lora_B[ADAPTER] = MaskedLinear(B, masks.get(name, everything))

    def _draw(self, layer: str, shape: torch.Size, seed: int) -> Tensor:
        """Return A [r, n] in PEFT's distribution; it depends on the seed and the two names alone, on any device."""
        generator = np.random.default_rng([seed, zlib.crc32(f"{self.a_of}:{layer}".encode())])
        bound = 1 / sqrt(shape[1])  # Kaiming-uniform with a = sqrt(5)
        return torch.from_numpy(generator.uniform(-bound, bound, shape))

    def _masks(self, layers: list[tuple[str, PeftLayer]], seed: int) -> dict[str, Tensor]:
        """Return the mask [m, r] of every layer from the run of stage D. Raises RequestError if it does not fit."""
        run = Path(self.mask or "")
        folder = run / "adapter" if (run / "adapter").is_dir() else run
        self._check_first_stage(read_checkpoint_config(folder), seed)
        tensors = read_checkpoint_tensors(folder)
        sizes = {}
        for name, layer in layers:
            B = tensors.get(f"{name}.lora_B.{ADAPTER}.weight")
            if B is None or B.shape != layer.lora_B[ADAPTER].weight.shape:
                raise RequestError(
                    f"method.mask={self.mask} does not fit this model: its B of {name} has another shape."
                )
            sizes[name] = B.abs()
        everything = torch.cat([size.flatten() for size in sizes.values()])
        kept = self._kept(everything.numel())
        threshold = everything.kthvalue(everything.numel() - kept + 1).values
        if threshold == 0:
            raise RequestError(
                f"method.mask={self.mask} is not accepted: fewer than {kept} entries of its B have moved. Train stage D"
                " longer, or raise method.sparsity."
            )
        return {name: size >= threshold for name, size in sizes.items()}

    def _kept(self, entries: int) -> int:
        return max(int((1 - self.sparsity) * entries + 1e-9), 1)  # 0.1 * 1000 is a little less than 100

    def _check_first_stage(self, config: dict[str, Any], seed: int) -> None:
        options = config.get("options", {})
        if config.get("method") != self.name or options.get("mask") is not None:
            raise RequestError(
                f"method.mask={self.mask} is not accepted: it is no run of lori without a mask (stage D)."
            )
        if options["rank"] != self.rank:
            raise RequestError(f"method.mask={self.mask} is not accepted: its rank is {options['rank']}.")
        if options["a_of"] == self.a_of and config["seed"] != seed:
            raise RequestError(
                f"method.mask={self.mask} has seed {config['seed']}, so its A differs from that of seed {seed}. Name"
                f" the run of seed {seed}, or type method.a_of=NAME to use the mask with another A on purpose."
            )

    def attach(self, model: nn.Module, targets: list[str], head: list[str], seed: int = 0) -> Adapted:
        """See `PeftMethod.attach`. Raises RequestError for a mask that is not of this model and a run of stage D."""
        adapted = super().attach(model, targets, head, seed)
        if self.mask is not None:
            masks = [layer.lora_B[ADAPTER].mask for _, layer in tuner_layers(model)]
            kept, of = sum(int(m.sum()) for m in masks), sum(m.numel() for m in masks)
            adapted.facts |= {"mask": {"kept": kept, "of": of}}
        return adapted

    def saved_options(self) -> dict[str, Any]:
        """See `Method.saved_options`: the mask is among the saved tensors."""
        return asdict(self if self.mask is None else replace(self, mask=SAVED))

    def count(self, adapted: Adapted) -> dict[str, int]:
        """See `Method.count`: entries of B outside the mask do not count."""
        masks = (layer.lora_B[ADAPTER] for _, layer in tuner_layers(adapted.model))
        outside = sum(int((~B.mask).sum()) for B in masks if isinstance(B, MaskedLinear))
        counts = super().count(adapted)
        return counts | {"adapter": counts["adapter"] - outside}

    def trainable_parameters(self, shapes: list[tuple[int, int]]) -> int:
        """Return m r summed over the target layers, or with a mask the entries of B that it lets train."""
        entries = sum(m * self.rank for m, _ in shapes)
        return entries if self.mask is None else self._kept(entries)

    def multiply_adds(self, shapes: list[tuple[int, int]], tokens: int) -> float:
        """See `Method.multiply_adds`: A has no gradient; the mask of stage S saves no product."""
        r = self.rank
        return sum(cost.low_rank_step(1, m, n, r, trained=False) + cost.weight_gradient(1, m, r) for m, n in shapes)

    def fingerprint(self, adapted: Adapted) -> dict[str, Sketch]:
        """See `Method.fingerprint`: every A as well, which is not saved but drawn again."""
        layers = tuner_layers(adapted.model)
        drawn = {f"{name}{_A_SKETCH}": computed_sketch(layer.lora_A[ADAPTER].weight) for name, layer in layers}
        return super().fingerprint(adapted) | drawn

    def save_peft(self, adapted: Adapted, directory: Path) -> None:
        """See `Method.save_peft`: PEFT reads a LoRA with A and without a mask."""
        state = {key: tensor for key, tensor in adapter_state(adapted).items() if not key.endswith(".mask")}
        for name, layer in tuner_layers(adapted.model):
            state[f"{name}.lora_A.{ADAPTER}.weight"] = layer.lora_A[ADAPTER].weight.detach()
        config = adapted.state.tuner.peft_config[ADAPTER]
        assert isinstance(config, LoraConfig)
        write_peft_checkpoint(directory, adapted, peft_names(state), config)


METHOD = Lori
