"""Running totals of an epoch, as plain data that a checkpoint can hold."""

from dataclasses import dataclass, field


@dataclass
class EpochTotals:
    """Totals over the steps taken so far.

    `lr` holds the learning rates of the last step, `losses` the loss of every step. `flops` is the count of a typical
    step times the number of steps, over all processes. Of the `seconds`, `waited_s` were spent waiting for batches.
    """

    steps: int = 0
    samples: int = 0
    loss_sum: float = 0.0  # over samples
    seconds: float = 0.0
    waited_s: float = 0.0
    lr: dict[str, float] = field(default_factory=dict)
    losses: list[float] = field(default_factory=list)
    flops: int = 0

    @property
    def loss(self) -> float:
        """The mean loss over the samples."""
        return self.loss_sum / self.samples
