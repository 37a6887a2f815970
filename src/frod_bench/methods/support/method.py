"""What a method is: a frozen dataclass whose fields are its options.

`attach` puts its adapters into a model and names the role of every trainable parameter. A recipe maps roles to
learning rates; nothing else selects parameters.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor, nn

from frod_bench.errors import RequestError
from frod_bench.methods.support.fingerprint import Mark

if TYPE_CHECKING:
    from frod_bench.methods.support.adapted import Adapted

HEADS = ("trained", "frozen")


@dataclass(frozen=True)
class Method:
    """Base of all methods. Subclasses add fields and implement the methods below.

    `head` is `trained` (also None) or `frozen`: a frozen head keeps the weights it was given, is in no role and
    in no file, so a saved adapter then needs a model with the same head.
    """

    name: ClassVar[str]
    roles: ClassVar[tuple[str, ...]]
    # facts that a user, and every test of all methods, can rely on
    start_error: ClassVar[float] = 0.0  # relative error of a layer's initial output in float32; 0: the base bit for bit
    draws: ClassVar[bool] = True  # the initialisation depends on the seed
    merges: ClassVar[bool] = True  # an adapted layer can become an `nn.Linear`

    head: str | None = None

    def attach(self, model: nn.Module, targets: list[str], head: list[str], seed: int = 0) -> "Adapted":
        """Adapt the targets, leave the head trainable and freeze the rest, in place.

        Raises RequestError when a target or head name matches nothing, or an option is out of range.
        """
        raise NotImplementedError

    def merge(self, adapted: "Adapted") -> None:
        """Turn every adapter into a plain `nn.Linear` of the same function, in place.

        Raises RequestError where no such layer exists.
        """
        raise NotImplementedError

    def detach(self, adapted: "Adapted") -> None:
        """Put the base layers back as they were, in place. Raises RequestError where they are not kept."""
        raise NotImplementedError

    def trainable_parameters(self, shapes: list[tuple[int, int]]) -> int:
        """Return how many parameters train for target layers of shapes [(m, n), ...], without the head."""
        raise NotImplementedError

    def multiply_adds(self, shapes: list[tuple[int, int]], tokens: int) -> float:
        """Return the multiply-adds a token of a training step on `tokens` above those of frozen target layers.

        A frozen layer [m, n] takes 2 m n. By default what trains is thin: used once forward and twice backward.
        """
        return 3 * self.trainable_parameters(shapes)

    @property
    def couples_rows(self) -> bool:
        """Whether `auxiliary_loss` looks at all rows of a step together, through `batch_statistics`."""
        return False

    def batch_statistics(self, adapted: "Adapted") -> Tensor | None:
        """Return what `auxiliary_loss` must know of all rows of a step, of those of the last forward pass in training.

        These are numbers that add up over the parts of a step; None for a method that does not couple rows.
        """
        return None

    def auxiliary_loss(self, adapted: "Adapted", statistics: Tensor | None = None) -> Tensor | float:
        """Return what is added to the loss of the last forward pass; nothing by default.

        `statistics` are the sum of `batch_statistics` over the step, by default those of this pass alone. For given
        statistics the loss is a mean over tokens, so its parts add up as those of the task's loss do.
        """
        return 0.0

    def diagnostics(self, adapted: "Adapted") -> dict[str, Any]:
        """Return what the method can say of its state between epochs; nothing by default."""
        return {}

    @contextmanager
    def fixed_weights(self, adapted: "Adapted", passes: int = 1) -> Iterator[None]:
        """Promise that no parameter changes inside the block, so that what follows from them is computed once.

        `passes` tells how many forward passes to expect there, on which the cheapest way to compute depends.
        """
        yield

    def fingerprint(self, adapted: "Adapted") -> dict[str, Mark]:
        """Return marks that tell whether saved values mean the same thing in this model."""
        return {}

    def save_peft(self, adapted: "Adapted", directory: Path) -> None:
        """Write a checkpoint for `PeftModel.from_pretrained`."""
        way = "Type --format merged, in Python merge()" if self.merges else "Only load_adapter of frod_bench reads it"
        raise RequestError(f"{self.name} has no form in PEFT. {way}.")

    @classmethod
    def load_peft(cls, model: nn.Module, directory: Path, config: dict[str, Any]) -> "Adapted":
        """Attach a checkpoint that PEFT wrote with the configuration `config`, when that is possible."""
        raise RequestError(f"A {cls.name} checkpoint of PEFT cannot be read here; load it with PeftModel.")
