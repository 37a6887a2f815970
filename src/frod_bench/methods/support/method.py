"""What a method is: a frozen dataclass whose fields are its options.

`attach` puts its adapters into a model and names the role of every trainable parameter. A recipe maps roles to
learning rates; nothing else selects parameters.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor, nn

from frod_bench.errors import RequestError
from frod_bench.methods.support.fingerprint import Sketch

if TYPE_CHECKING:
    from frod_bench.methods.support.adapted import Adapted

HEADS = ("trained", "frozen")


@dataclass(frozen=True)
class Method:
    """Base of all methods. A subclass adds its options as fields and implements the methods below.

    `head` is `trained` (or None, its default) or `frozen`. A frozen head keeps its weights and is in no role and no
    file, so a saved adapter then needs a model with the same head.
    """

    name: ClassVar[str]
    roles: ClassVar[tuple[str, ...]]
    # facts that users and tests rely on
    start_error: ClassVar[float] = 0.0  # relative, of a layer's initial output in float32; 0: bit-for-bit the base
    draws: ClassVar[bool] = True  # whether the initialisation depends on the seed
    merges: ClassVar[bool] = True  # whether an adapted layer can become an `nn.Linear`
    low_rank_update: ClassVar[bool] = False  # whether W' - W is alpha / r B A, for some of its options at least

    head: str | None = None

    def attach(self, model: nn.Module, targets: list[str], head: list[str], seed: int = 0) -> "Adapted":
        """Adapt the targets, leave the head trainable and freeze the rest, in place.

        Raises RequestError if a target or head name matches nothing, or an option is out of range.
        """
        raise NotImplementedError

    def merge(self, adapted: "Adapted") -> None:
        """Replace every adapter by a plain `nn.Linear` that computes the same function, in place.

        Raises RequestError if there is no such layer.
        """
        raise NotImplementedError

    def detach(self, adapted: "Adapted") -> None:
        """Restore the base layers bit for bit, in place. Raises RequestError if no copy of them is kept."""
        raise NotImplementedError

    def count(self, adapted: "Adapted") -> dict[str, int]:
        """Return how many numbers of each role train."""
        return {role: sum(p.numel() for p in parameters) for role, parameters in adapted.roles.items()}

    def saved_options(self) -> dict[str, Any]:
        """Return the options by which a saved adapter makes this method again, on any machine."""
        return asdict(self)

    def trainable_parameters(self, shapes: list[tuple[int, int]]) -> int:
        """Return the number of trainable parameters for target layers of `shapes` [(m, n), ...], without the head."""
        raise NotImplementedError

    def multiply_adds(self, shapes: list[tuple[int, int]], tokens: int) -> float:
        """Return the multiply-adds per token that adapters of `shapes` add to a training step on `tokens` tokens.

        They come on top of the 2 m n of each frozen layer [m, n]. The default fits thin adapters, whose parameters are
        used once forward and twice backward.
        """
        return 3 * self.trainable_parameters(shapes)

    @property
    def couples_rows(self) -> bool:
        """Whether `auxiliary_loss` depends on all rows of a step together, through `batch_statistics`."""
        return False

    def batch_statistics(self, adapted: "Adapted") -> Tensor | None:
        """Return the contribution of the last forward pass in training to what `auxiliary_loss` needs of a whole step.

        Contributions of micro-batches and processes are summed. None if the method does not couple rows.
        """
        return None

    def auxiliary_loss(self, adapted: "Adapted", statistics: Tensor | None = None) -> Tensor | float:
        """Return the term to add to the loss of the last forward pass; 0 by default.

        `statistics` is the sum of `batch_statistics` over the step, by default that of this pass alone. For given
        statistics the term is a mean over tokens, so those of micro-batches add up as the task's loss does.
        """
        return 0.0

    def diagnostics(self, adapted: "Adapted") -> dict[str, Any]:
        """Return what the method reports about its parameters after each epoch; nothing by default."""
        return {}

    def epoch_columns(self, adapted: "Adapted", lr: Mapping[str, float]) -> dict[str, Any]:
        """Return the columns that the method adds to the metrics of an epoch, by default its `diagnostics`.

        `lr` holds the learning rate of each role that trains, at the last step of the epoch.
        """
        return self.diagnostics(adapted)

    def epoch_words(self, columns: Mapping[str, Any]) -> list[str]:
        """Return what the printed line of an epoch says of `epoch_columns`; nothing by default."""
        return []

    @contextmanager
    def fixed_weights(self, adapted: "Adapted", passes: int = 1) -> Iterator[None]:
        """Let the method cache what depends on its parameters: none of them may change inside this block.

        `passes` is the number of forward passes to expect there; the cheapest way to compute depends on it.
        """
        yield

    def fingerprint(self, adapted: "Adapted") -> dict[str, Sketch]:
        """Return sketches of what saved values depend on, such as base weights, to compare when they are loaded."""
        return {}

    def save_peft(self, adapted: "Adapted", directory: Path) -> None:
        """Write a checkpoint for `PeftModel.from_pretrained`. Raises RequestError if PEFT does not have the method."""
        way = "Type --format merged, in Python merge()" if self.merges else "Only load_adapter of frod_bench reads it"
        raise RequestError(f"{self.name} has no form in PEFT. {way}.")

    @classmethod
    def load_peft(cls, model: nn.Module, directory: Path, config: dict[str, Any]) -> "Adapted":
        """Attach a checkpoint that PEFT wrote with `config`. Raises RequestError for a method that cannot be read."""
        raise RequestError(f"A {cls.name} checkpoint of PEFT cannot be read here; load it with PeftModel.")
