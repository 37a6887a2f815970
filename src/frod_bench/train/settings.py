"""The checked values of the `train` group of a configuration."""

import math
from dataclasses import dataclass
from typing import TypeGuard

from frod_bench.errors import RequestError, did_you_mean

SCHEDULES = ("constant", "linear", "cosine")
PRECISIONS = ("no", "bf16", "fp16")
DEVICES = ("auto", "cpu", "cuda")
SELECTIONS = ("best_on_eval", "last", "holdout")
EVALUATIONS = ("once", "never")


@dataclass
class TrainSettings:
    """Training settings. Raises RequestError, naming the key as the user types it, for a value out of range.

    `batch_size` rows make one optimizer step whatever the hardware. An incomplete last batch of an epoch is dropped
    when it holds no more than the fraction `last_batch` of that. A step takes
    `gradient_accumulation_steps` micro-batches; with `auto_batch` their number doubles when memory runs out. `shard`
    splits the weights over the processes. The evaluation rows are scored after every epoch, or with `evaluation`
    "once", at the selected epoch, or "never". The learning rate rises from zero over `warmup_steps`: a number of steps,
    or, below 1, a fraction of all steps.
    """

    epochs: int
    batch_size: int
    lr: dict[str, float]  # by role
    roles: tuple[str, ...]  # of the method; each has a learning rate
    gradient_accumulation_steps: int = 1
    last_batch: float | None = None
    auto_batch: bool = False
    shard: bool = False
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.999)
    schedule: str = "constant"
    warmup_steps: float = 0.0
    max_grad_norm: float | None = None
    precision: str = "no"
    device: str = "auto"
    group_by_length: bool = False
    eval_batch_size: int = 64
    selection: str = "best_on_eval"
    evaluation: str | None = None

    def __post_init__(self):
        for key in ("epochs", "batch_size", "gradient_accumulation_steps", "eval_batch_size"):
            value = getattr(self, key)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise RequestError(f"train.{key}={value} is not accepted: a whole number of 1 or more.")
        if self.last_batch is not None and not _is_share(self.last_batch):
            raise RequestError(f"train.last_batch={self.last_batch} is not accepted: a share in [0, 1), or null.")
        if self.gradient_accumulation_steps > self.batch_size:
            raise RequestError(
                f"train.gradient_accumulation_steps={self.gradient_accumulation_steps} is not accepted: a batch of"
                f" {self.batch_size} rows cannot be cut into more parts."
            )
        self.lr = dict(self.lr)
        for role, value in self.lr.items():
            if role not in self.roles:
                raise RequestError(f"train.lr.{role} is not known: the method has the roles {', '.join(self.roles)}.")
            self._number(f"lr.{role}", value, 0.0, math.inf)
        for role in self.roles:
            if role not in self.lr:
                raise RequestError(f"train.lr.{role} is missing: the method has the roles {', '.join(self.roles)}.")
        self._number("weight_decay", self.weight_decay, 0.0, math.inf)
        if not _is_share(self.warmup_steps) and not _is_whole(self.warmup_steps):
            raise RequestError(
                f"train.warmup_steps={self.warmup_steps} is not accepted: a whole number of steps, or a fraction of all"
                " steps in [0, 1)."
            )
        if not isinstance(self.betas, list | tuple) or len(self.betas) != 2 or not all(map(_is_share, self.betas)):
            raise RequestError(f"train.betas={self.betas} is not accepted: two numbers in [0, 1), as in [0.9,0.999].")
        self.betas = tuple(self.betas)
        if self.max_grad_norm is not None:
            self._number("max_grad_norm", self.max_grad_norm, 0.0, math.inf)
            if self.max_grad_norm == 0:
                raise RequestError("train.max_grad_norm=0 is not accepted: a number above 0, or null for no clipping.")
        for key, accepted in (("auto_batch", bool), ("shard", bool), ("group_by_length", bool)):
            if not isinstance(getattr(self, key), accepted):
                raise RequestError(f"train.{key}={getattr(self, key)} is not accepted: true or false.")
        for key, accepted in (("schedule", SCHEDULES), ("precision", PRECISIONS), ("device", DEVICES)):
            if getattr(self, key) not in accepted:
                raise RequestError(
                    f"train.{key}={getattr(self, key)} is not known. {did_you_mean(str(getattr(self, key)), accepted)}"
                )
        if self.selection not in SELECTIONS:
            raise RequestError(
                f"selection={self.selection} is not known. {did_you_mean(str(self.selection), SELECTIONS)}"
            )

        if self.evaluation not in (None, *EVALUATIONS):
            known = did_you_mean(str(self.evaluation), EVALUATIONS)
            raise RequestError(f"evaluation={self.evaluation} is not known. {known} null is after every epoch.")
        if self.evaluation == "once" and self.selection == "best_on_eval":
            raise RequestError("evaluation=once needs an epoch that other rows select: add selection=holdout or last.")
        if self.evaluation == "never" and self.selection != "holdout":
            raise RequestError("evaluation=never leaves only held-out rows to score: add selection=holdout.")

    @staticmethod
    def _number(key: str, value: object, low: float, high: float) -> None:
        if not _is_finite(value) or not low <= value <= high:
            span = f"in [{low:g}, {high:g}]" if high < math.inf else f"of {low:g} or more"
            raise RequestError(f"train.{key}={value} is not accepted: a finite number {span}.")


def _is_finite(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_whole(value: object) -> TypeGuard[float]:
    return _is_finite(value) and value >= 1 and value % 1 == 0


def _is_share(value: object) -> TypeGuard[float]:
    return _is_finite(value) and 0 <= value < 1
