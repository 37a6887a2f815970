"""The names of what can be benchmarked; importing them does not import torch."""

from typing import Any

# backbone: rows per step, tokens per row (None for images)
SHAPES: dict[str, tuple[int, int | None]] = {
    "clip_vit_b32": (64, None),
    "clip_vit_l14": (16, None),
    "vit_l16": (16, None),
    "roberta_large": (8, 64),
    "llama2_7b": (8, 512),
    "llama2_13b": (8, 512),
    "minilm": (16, 64),
}

# blocks of each backbone in `bench gpu`: all, or as many as show the time of one within minutes
GPU_BLOCKS = {"clip_vit_b32": 12, "roberta_large": 24, "llama2_7b": 2}

# variants of FRoD by their options
FROD_VARIANTS: dict[str, dict[str, Any]] = {
    "frod_factored": {"way": "factored"},
    "frod_residual": {"way": "residual"},
    "frod_merged": {"way": "merged"},
    "frod_recompute": {"way": "merged", "recompute": True},
    "frod_right_residual": {"way": "right_residual"},
    "frod_right_merged": {"way": "right_merged"},
    "frod_short": {"side": "short"},
    "frod_short_right_merged": {"side": "short", "way": "right_merged"},
    "frod_global": {"basis": "global"},
    "frod_block_diagonal": {"pattern": "block_diagonal"},
    "frod_banded": {"pattern": "banded"},
}
PEFT = ("peft_frod", "peft_lora", "peft_pissa", "peft_dora", "peft_vera", "peft_randlora")
USUAL = ("base", "lora", "dora", "vera", "full_ft", "peft_frod", "frod")
GPU = (
    "lora", "full_ft", "frod", "peft_frod", "frod_merged", "frod_factored", "frod_residual", "frod_right_merged",
    "frod_right_residual", "frod_short", "frod_block_diagonal", "dora", "vera",
)  # fmt: skip
START = (
    "peft_frod", "frod", "frod_factored", "frod_residual", "frod_merged", "frod_right_residual", "frod_right_merged",
    "frod_short",
)  # fmt: skip
