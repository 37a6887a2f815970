"""Time training steps in turns, so that a slow spell of the machine affects all contenders alike."""

import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor, nn

from frod_bench.methods.support.adapted import Adapted
from frod_bench.train.flops import FlopCount


class Progress(Protocol):
    """Where a benchmark reports what it is doing."""

    def say(self, what: str) -> None: ...


@dataclass
class Stepper:
    """A model with its optimizer and its batch. `flops` counts one training step.

    For our own methods `adapted` holds the model and its method, which then train and evaluate as in a run. `seconds`
    and `evaluation_seconds` collect the times of training steps and of forward passes in evaluation.
    """

    model: nn.Module
    inputs: dict[str, Tensor]
    adapted: Adapted | None = None
    seconds: list[float] = field(default_factory=list)
    evaluation_seconds: list[float] = field(default_factory=list)
    flops: float = 0.0

    def __post_init__(self):
        parameters = [p for p in self.model.parameters() if p.requires_grad]
        self.trainable = sum(p.numel() for p in parameters)
        self.optimizer = torch.optim.AdamW(parameters, lr=1e-5, fused=True)

    def step(self) -> None:
        """Take one training step: forward, backward, optimizer."""
        loss = self.model(**self.inputs).loss
        if self.adapted is not None:
            loss = loss + self.adapted.auxiliary_loss()
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()

    def timed_step(self) -> None:
        """Take one step and record its time."""
        start = now(self.inputs)
        self.step()
        self.seconds.append(now(self.inputs) - start)

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """A context for `timed_evaluation`, as in a run: later passes reuse what the first one computes."""
        self.model.eval()
        with torch.no_grad(), self.adapted.fixed_weights() if self.adapted is not None else nullcontext():
            self.model(**self.inputs)
            yield

    def timed_evaluation(self) -> None:
        """Take a forward pass inside `evaluating` and record its time."""
        start = now(self.inputs)
        self.model(**self.inputs)
        self.evaluation_seconds.append(now(self.inputs) - start)

    def warm_up(self) -> None:
        """Take one step that counts FLOPs and one that runs like the timed steps."""
        with FlopCount() as count:
            self.step()
        self.flops = float(count.total)
        self.step()


def now(inputs: dict[str, Tensor]) -> float:
    """Return the clock in seconds after the inputs' device has finished its work."""
    if next(iter(inputs.values())).is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter()


def take_turns(steppers: dict[str, Stepper], rounds: int, progress: Progress) -> None:
    """Warm up every model, then time one step of each per round, then one evaluation of each per round."""
    for name, stepper in steppers.items():
        progress.say(f"warming up {name}")
        stepper.warm_up()
    for turn in range(1, rounds + 1):
        for stepper in steppers.values():
            stepper.timed_step()
        times = ", ".join(f"{name} {stepper.seconds[-1]:.3g} s" for name, stepper in steppers.items())
        progress.say(f"round {turn} of {rounds}: {times}")
    progress.say("evaluation")
    with ExitStack() as stack:
        for stepper in steppers.values():
            stack.enter_context(stepper.evaluating())
        for _ in range(rounds):
            for stepper in steppers.values():
                stepper.timed_evaluation()


def spread(seconds: list[float]) -> dict[str, float]:
    """Return the median and the quartiles in milliseconds."""
    if len(seconds) == 1:
        return dict.fromkeys(("median_ms", "low_ms", "high_ms"), 1e3 * seconds[0])
    low, median, high = statistics.quantiles(seconds, n=4, method="inclusive")
    return {"median_ms": 1e3 * median, "low_ms": 1e3 * low, "high_ms": 1e3 * high}


def ratio(seconds: list[float], others: list[float]) -> float:
    """Return the median of the ratios within a round, in which a slow spell of the machine cancels."""
    return statistics.median(mine / theirs for mine, theirs in zip(seconds, others, strict=True))


def gemm_rate(tokens: int, width: int, dtype: torch.dtype, device: torch.device) -> float:
    """Return the FLOP/s of x W^T for x [tokens, width] and W [width, width], the best of ten."""
    x = torch.randn(tokens, width, device=device).to(dtype)
    W = torch.randn(width, width, device=device).to(dtype)
    inputs, best = {"x": x}, float("inf")
    for _ in range(10):
        start = now(inputs)
        torch.mm(x, W.T)
        best = min(best, now(inputs) - start)
    return 2.0 * tokens * width * width / best
