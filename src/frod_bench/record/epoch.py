"""One epoch in figures: its line of `metrics.jsonl`, and the line that a run prints."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class EpochMetrics:
    """The metrics of one epoch; times are in seconds, memory in bytes.

    `eval` holds every metric of every evaluation split, `lr` the learning rate of each role at the last step,
    `data_wait` the fraction of `seconds` spent waiting for batches. `method` holds the columns that the method adds.
    """

    epoch: int  # from 1
    step: int  # optimizer steps since the start of the run
    train_loss: float
    eval: Mapping[str, float]
    lr: Mapping[str, float]
    seconds: float  # of training
    diagnostics_s: float  # spent on the columns of the method
    data_wait: float
    samples_per_second: float
    flops: int
    peak_memory_bytes: int
    method: Mapping[str, Any]

    def as_line(self) -> dict[str, Any]:
        """Return the line of `metrics.jsonl`: the method's columns follow `eval`, its `lr_ratio` follows `lr`.

        Reports read `tan_alpha` and `lr_ratio` of every run, so they are null where a method has none.
        """
        own = {"tan_alpha": None, "lr_ratio": None} | dict(self.method)
        lr_ratio = own.pop("lr_ratio")
        return {
            "epoch": self.epoch,
            "step": self.step,
            "train_loss": self.train_loss,
            "eval": dict(self.eval),
            **own,
            "lr": dict(self.lr),
            "lr_ratio": lr_ratio,
            "seconds": self.seconds,
            "diagnostics_s": self.diagnostics_s,
            "data_wait": self.data_wait,
            "samples_per_second": self.samples_per_second,
            "flops": self.flops,
            "peak_memory_bytes": self.peak_memory_bytes,
        }

    def in_words(self, metric: str, epochs: int, method_words: Sequence[str]) -> str:
        """Return the printed line: the reported `metric` first, and what the method says of its columns."""
        scores = sorted(self.eval.items(), key=lambda score: score[0] != metric)
        parts = [
            f"epoch {self.epoch}/{epochs}",
            f"loss {self.train_loss:.4f}",
            *(f"{name} {value:.4f}" for name, value in scores),
            *method_words,
            "lr " + " ".join(f"{role} {value:.2g}" for role, value in self.lr.items()),
            f"{self.samples_per_second:.0f} samples/s",
            f"{self.peak_memory_bytes / 2**20:.0f} MiB",
            f"{self.seconds:.1f} s",
        ]
        return "  ".join(parts)
