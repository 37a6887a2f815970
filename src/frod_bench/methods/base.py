"""What a method is, and the model it has been attached to.

A method is a frozen dataclass in a file of its own: its fields are its options, `attach` puts its adapters
into a model and names the role of every trainable parameter. A recipe maps roles to learning rates; nothing
else selects parameters.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from frod_bench.errors import RequestError
from frod_bench.methods.checkpoint import read_checkpoint_tensors, write_checkpoint
from frod_bench.ops.split import split_like, whole

FORMATS = ("frod-bench", "peft")
HEADS = ("trained", "frozen")
_FINGERPRINT = "fingerprint."  # before the names of such tensors in a file


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

    def fingerprint(self, adapted: "Adapted") -> dict[str, Tensor]:
        """Return small tensors that tell whether saved values mean the same thing in this model."""
        return {}

    def save_peft(self, adapted: "Adapted", directory: Path) -> None:
        """Write a checkpoint for `PeftModel.from_pretrained`."""
        way = "Type --format merged, in Python merge()" if self.merges else "Only load_adapter of frod_bench reads it"
        raise RequestError(f"{self.name} has no form in PEFT. {way}.")

    @classmethod
    def load_peft(cls, model: nn.Module, directory: Path, config: dict[str, Any]) -> "Adapted":
        """Attach a checkpoint that PEFT wrote with the configuration `config`, when that is possible."""
        raise RequestError(f"A {cls.name} checkpoint of PEFT cannot be read here; load it with PeftModel.")


@dataclass
class Adapted:
    """A model with a method attached. `roles` holds every trainable parameter in exactly one role."""

    model: nn.Module
    method: Method
    roles: dict[str, list[nn.Parameter]]
    targets: list[str]
    head: list[str]
    seed: int
    facts: dict[str, Any] = field(default_factory=dict)  # of the initialisation, for the record
    state: Any = None  # the method's own
    _fingerprint: dict[str, Tensor] | None = field(default=None, init=False, repr=False)

    def __post_init__(self):
        if self.method.head == "frozen":
            for parameter in self.roles["head"]:
                parameter.requires_grad_(False)
            self.roles = self.roles | {"head": []}
        listed = [id(p) for parameters in self.roles.values() for p in parameters]
        trainable = {id(p) for p in self.model.parameters() if p.requires_grad}
        if len(listed) != len(set(listed)) or set(listed) != trainable:
            raise AssertionError(f"{self.method.name}: a trainable parameter is not in exactly one role")

    def count(self) -> dict[str, int]:
        """Return the number of trainable parameters of each role."""
        return {role: sum(p.numel() for p in parameters) for role, parameters in self.roles.items()}

    def batch_statistics(self) -> Tensor | None:
        """Return what the last forward pass in training adds to what `auxiliary_loss` must know of a whole step."""
        return self.method.batch_statistics(self)

    def auxiliary_loss(self, statistics: Tensor | None = None) -> Tensor | float:
        """Return the method's own term for the last forward pass in training, to be added to the task's loss.

        Where that pass is a part of a step, `statistics` is the sum of `batch_statistics` over all parts.
        """
        return self.method.auxiliary_loss(self, statistics)

    def diagnostics(self) -> dict[str, Any]:
        """Return what the method reports of its state, e.g. `tan_alpha` with mean, min, max and per_layer."""
        self.require_attached()
        return self.method.diagnostics(self)

    def fixed_weights(self, passes: int = 1) -> AbstractContextManager[None]:
        """Return a context of `passes` forward passes in which no parameter changes: the micro-batches of one step."""
        return self.method.fixed_weights(self, passes)

    def merge(self) -> nn.Module:
        """Return the model with plain linear layers that compute the same function; ends the adaptation.

        Raises RequestError for a method without such layers (GOAT), and after `merge` or `detach`.
        """
        self.require_attached()
        self.method.merge(self)
        return self.model

    def detach(self) -> nn.Module:
        """Return the model with its base layers back, bit for bit; the head keeps what it has learned.

        Raises RequestError for full fine-tuning, which keeps no copy, and after `merge` or `detach`.
        """
        self.require_attached()
        self.method.detach(self)
        return self.model

    def require_attached(self) -> None:
        """Raise RequestError when the adapter is no longer in the model."""
        present = {id(p) for p in self.model.parameters()}
        if not all(id(p) in present for parameters in self.roles.values() for p in parameters):
            raise RequestError(f"The {self.method.name} adapter was merged or detached already.")

    def trainable_state(self) -> dict[str, Tensor]:
        """Return what training changes by name; it shares memory with the model, unless processes split it.

        These are the parameters of all roles, frozen for a while or not, the buffers beside them, as a normalisation
        in the head has, and the running statistics of batch normalisations, which move without a gradient.
        """
        return {name: whole(tensor.detach()) for name, tensor in self._changing().items()}

    def _changing(self) -> dict[str, Tensor]:
        own = {id(p) for parameters in self.roles.values() for p in parameters}
        found = {name: p for name, p in self.model.named_parameters() if id(p) in own}
        for path, module in self.model.named_modules():
            beside = any(id(p) in own for p in module.parameters(recurse=False))
            if beside or isinstance(module, nn.modules.batchnorm._NormBase):
                passing = module._non_persistent_buffers_set
                buffers = module.named_buffers(path, recurse=False)
                found |= {name: b for name, b in buffers if name.rpartition(".")[2] not in passing}
        return found

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Copy what `trainable_state` returned into the model.

        Raises RequestError when names or shapes differ, and has changed nothing then.
        """
        own = self._changing()
        missing, unknown = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
        if missing or unknown:
            what = f"lacks {missing[0]}" if missing else f"has {unknown[0]}, which this model has not"
            raise RequestError(f"The adapter does not fit this model: it {what}.")
        for name, tensor in own.items():
            if tensor.shape != state[name].shape:
                shapes = f"{list(state[name].shape)}, not {list(tensor.shape)}"
                raise RequestError(f"The adapter does not fit this model: {name} is {shapes}.")
        with torch.no_grad():
            for name, tensor in own.items():
                tensor.copy_(split_like(state[name], tensor))

    def save(self, directory: str | Path, format: str = "frod-bench", write: bool = True) -> Path:
        """Write the adapter and the head into `directory` and return it.

        Where processes split what trains, all of them call it and one has `write`. `frod-bench` holds the trainable
        values, the options and the seed; `peft` loads with `PeftModel.from_pretrained`. Raises RequestError for
        another format, a method PEFT has not, and after `merge` and `detach`.
        """
        directory = Path(directory)
        if format not in FORMATS:
            raise RequestError(f"format={format!r} is not known. Accepted: {', '.join(FORMATS)}.")
        self.require_attached()
        if write:
            directory.mkdir(parents=True, exist_ok=True)
        if format == "peft":
            if write:  # no method that PEFT has is split in what trains
                self.method.save_peft(self, directory)
            return directory
        tensors = self.trainable_state() | {
            f"{_FINGERPRINT}{name}": tensor for name, tensor in self.fingerprint().items()
        }
        config = {"method": self.method.name, "options": asdict(self.method), "targets": self.targets}
        config |= {"head": self.head, "seed": self.seed}
        if write:
            write_checkpoint(directory, tensors, config)
        return directory

    def load(self, directory: str | Path) -> None:
        """Read what `save` wrote in its own format. Raises RequestError when it does not fit this model."""
        state = read_checkpoint_tensors(directory)
        saved = {name: state.pop(name) for name in list(state) if name.startswith(_FINGERPRINT)}
        self.check_fingerprint({name.removeprefix(_FINGERPRINT): tensor for name, tensor in saved.items()}, directory)
        self.load_state(state)

    def fingerprint(self) -> dict[str, Tensor]:
        """Return `Method.fingerprint`, formed once: what it is made of is frozen, and may be split up later."""
        if self._fingerprint is None:
            self._fingerprint = self.method.fingerprint(self)
        return self._fingerprint

    def check_fingerprint(self, saved: dict[str, Tensor], place: str | Path) -> None:
        """Raise RequestError unless the values in `place`, saved with this fingerprint, mean the same in this model."""
        if self.fingerprint() and not saved:
            raise RequestError(
                f"The adapter in {place} carries no sketch of its base weights, as an older version wrote it, so"
                " nothing tells whether it fits these. Train it again; a run of the command line takes force=true."
            )
        for name, own in self.fingerprint().items():
            other = saved.get(name)
            if other is None or other.shape != own.shape or not torch.allclose(other, own, rtol=1e-3, atol=1e-4):
                raise RequestError(
                    f"The adapter in {place} was made for other base weights or options: {name} differs."
                )


def sketch(tensor: Tensor) -> Tensor:
    """Return one number [1] that is another one for another tensor [m, ...], alike in half precision."""
    rounded = tensor.detach().bfloat16().double()
    matrix = rounded.flatten(1) if tensor.dim() > 1 else rounded[:, None]
    rows, columns = (torch.cos(torch.arange(size, device=matrix.device).double()) for size in matrix.shape)
    return (rows @ (matrix @ (columns + 2))).float().cpu()[None]
