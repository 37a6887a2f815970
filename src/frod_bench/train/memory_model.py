"""Predict the peak memory of a run.

The model is built, adapted and trained for one step with tensors that have a shape, a dtype and a device but no values
(`FakeTensorMode`), and every storage is counted while it is alive. So the prediction follows the code, for every
method, `way` and dtype, takes about a second and allocates nothing. A method that looks at values while it attaches, as
some tuners of PEFT do, is attached to a model with random values, which then lose them.

Buffers inside single operations are not seen. Those of LAPACK are as large as the matrices of an initialisation and are
added by their documented sizes; what a matrix product packs, or an allocator rounds up, is left out.
"""

import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn
from torch._subclasses import FakeTensorMode
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    UnsupportedFakeTensorException,
    UnsupportedOperatorException,
)
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from frod_bench.errors import RequestError
from frod_bench.methods.support.method import Method
from frod_bench.peft_tuners import spelled

_PRECISIONS = {"no": None, "bf16": torch.bfloat16, "fp16": torch.float16}
_STATES = 2  # of AdamW, for every trainable number
_LOOKS_AT_VALUES = (DataDependentOutputException, DynamicOutputShapeException)
_UNKNOWN_SHAPES = (UnsupportedOperatorException, UnsupportedFakeTensorException)
_MOST_WITH_VALUES = 2**31  # bytes of a model that is made with values


@dataclass(frozen=True)
class MemoryUse:
    """Memory in bytes. `building`, `attaching` and `step` are peaks of everything alive; the other fields are parts.

    `weights` are those of the model before it is adapted, `adapter` what the attachment adds for good, `gradients` and
    `optimizer` belong to the trainable parameters. `activations` is the rest of a step: what the forward pass keeps for
    the backward pass, and temporary tensors of either.
    """

    weights: int
    adapter: int
    gradients: int
    optimizer: int
    activations: int
    building: int
    attaching: int
    step: int

    @property
    def initialisation(self) -> int:
        """The larger of the peaks before the first step."""
        return max(self.building, self.attaching)

    @property
    def peak(self) -> int:
        """The largest of the peaks."""
        return max(self.initialisation, self.step)


class Unpredictable(RequestError):
    """A run's memory cannot be predicted, because its method decides by values or calls what has no fake version."""


def predict_memory(
    build: Callable[[], nn.Module],
    make_batch: Callable[[], dict[str, Tensor]],
    method: Method,
    targets: list[str],
    head: list[str],
    precision: str = "no",
    device_type: str = "cpu",
    passes: int = 1,
) -> MemoryUse:
    """Return the memory that `build()`, `method.attach` and training steps on `make_batch()` need.

    The batch is one of the step's `passes` micro-batches on one device and holds `labels`; `precision` is that of
    `train.precision`. Only tensors on devices of `device_type` are counted. The two functions must not read values.
    Raises Unpredictable for a method that reads some in a step, or of a model of more than 2 GiB, and for an operator
    of unknown shapes.
    """
    predict = partial(_predict, build, make_batch, method, targets, head, precision, device_type, passes)
    try:
        return predict(values=False)
    except _UNKNOWN_SHAPES as error:
        raise Unpredictable(
            f"The memory of {_named(method)} cannot be predicted: the shapes that {error} returns are not known before."
        ) from error
    except RuntimeError:  # most often a tensor was asked for a value; another error comes again
        return _with_values(build, predict, method)


def _named(method: Method) -> str:
    return spelled(getattr(method, "type", method.name))


def _with_values(build: Callable[[], nn.Module], predict: Callable[..., MemoryUse], method: Method) -> MemoryUse:
    start = f"The memory of {_named(method)} cannot be predicted:"
    with FakeTensorMode():
        size = sum(p.nbytes for p in build().parameters())
    if size > _MOST_WITH_VALUES:
        raise Unpredictable(f"{start} it looks at values, and {size / 2**30:.1f} GiB of weights are too many to try.")
    try:
        return predict(values=True)
    except _LOOKS_AT_VALUES as error:
        raise Unpredictable(f"{start} it looks at values in every training step.") from error
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise Unpredictable(f"{start} tensors without values do not pass through a step ({reason}).") from error


def _predict(
    build: Callable[[], nn.Module],
    make_batch: Callable[[], dict[str, Tensor]],
    method: Method,
    targets: list[str],
    head: list[str],
    precision: str,
    device_type: str,
    passes: int,
    values: bool,
) -> MemoryUse:
    """Return what `predict_memory` does; with `values`, the model has some until the method is attached."""
    fake, live = FakeTensorMode(allow_non_fake_inputs=True), _Live(device_type)
    with nullcontext() if values else fake, _castable(), live:
        model = build().train()
        if values:
            _fill(model)
        weights, building = live.now, live.restart()
        adapted = method.attach(model, targets, head, seed=0)
        attaching = live.restart()
    with_values = live.take_values(model, fake) if values else []
    with fake, _castable(), live:
        trainable = [p for p in model.parameters() if p.requires_grad]
        for parameter in trainable:
            parameter.data = parameter.data.float()
        attached = live.now
        states = [torch.zeros_like(p) for p in trainable for _ in range(_STATES)]
        batch = make_batch()
        dtype = _PRECISIONS[precision]
        live.restart()
        live.in_step = True
        with adapted.fixed_weights(passes) if passes > 1 else nullcontext():
            for _ in range(min(passes, 2)):  # the second micro-batch finds all that the first leaves behind
                with torch.autocast(device_type, dtype, enabled=dtype is not None):
                    loss = model(**batch).loss + adapted.auxiliary_loss()
                loss.backward()
                del loss
        step = live.peak
    del with_values  # they counted until here
    gradients = sum(p.nbytes for p in trainable)
    optimizer = sum(state.nbytes for state in states)
    return MemoryUse(
        weights=weights,
        adapter=attached - weights,
        gradients=gradients,
        optimizer=optimizer,
        activations=step - attached - gradients - optimizer,
        building=building,
        attaching=attaching,
        step=step,
    )


@torch.no_grad()
def _fill(model: nn.Module) -> None:
    """Draw the weights, as a skeleton may hold whatever was in memory."""
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        parameter.normal_(std=0.02, generator=generator)


def at_depth(predict: Callable[[int], MemoryUse], blocks: int, depths: tuple[int, int] = (8, 9)) -> MemoryUse:
    """Return the memory of a model of `blocks` equal blocks, extrapolated from two shallower ones, `predict(depth)`.

    Every block adds the same amount to each part and each peak, so memory is linear in depth; extrapolating saves the
    time of tracing a deep model.
    """
    if blocks <= max(depths):
        return predict(blocks)
    (low, high), factor = map(predict, depths), (blocks - depths[0]) / (depths[1] - depths[0])
    values = {key: value + factor * (getattr(high, key) - value) for key, value in asdict(low).items()}
    return MemoryUse(**{key: round(value) for key, value in values.items()})


class _Live(TorchDispatchMode):
    """Count the bytes of all live storages on one type of device, and their peak."""

    def __init__(self, device_type: str):
        super().__init__()
        self.device_type = device_type
        self.now = self.peak = 0
        self.in_step = False
        self._known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        if func is torch.ops.prim.device.default:  # more than half of all calls
            return args[0].fake_device
        if self.in_step and func is torch.ops.aten._local_scalar_dense.default and args[0].dtype == torch.bool:
            return True  # a draw, as that of LoHa and LoKr whether a layer takes part: it does
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor) and leaf.device.type == self.device_type:
                for part in (leaf._indices(), leaf._values()) if leaf.is_sparse else (leaf,):
                    self._count(part.untyped_storage())
        self.peak = max(self.peak, self.now + _workspace(func, args))
        return result

    def _count(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key not in self._known:
            self._known.add(key)
            self.now += storage.nbytes()
            weakref.finalize(storage, self._forget, key, storage.nbytes())

    def _forget(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.now -= size

    def take_values(self, model: nn.Module, fake: FakeTensorMode) -> list[Tensor]:
        """Replace all tensors of a model by ones without values, which count as before; return the old ones."""
        old = []
        for module in model.modules():
            for own in (module._parameters, module._buffers):
                for name, tensor in own.items():
                    if tensor is not None:
                        old.append(tensor)
                        made: Any = fake.from_tensor(tensor)  # a parameter, if the tensor is one
                        own[name] = made
                        self._known.add(made.untyped_storage()._cdata)
        return old

    def restart(self) -> int:
        """Return the peak and start a new one."""
        peak, self.peak = self.peak, self.now
        return peak


def _castable() -> AbstractContextManager:
    """Let `Module.to` move fake tensors, which it refuses because their mode holds weak references to them."""
    return mock.patch.object(torch.utils, "weakref", SimpleNamespace(getweakrefs=lambda tensor: []))


def _workspace(func: Any, args: tuple) -> int:
    """Return the bytes of LAPACK's workspace, besides inputs and outputs."""
    name = func.overloadpacket.__name__ if isinstance(func, torch._ops.OpOverload) else ""
    if name == "_linalg_eigh":  # syevd with vectors: 1 + 6 n + 2 n^2, and the copy that it overwrites
        return 3 * args[0].nbytes
    if name == "_linalg_svd":  # gesdd: 4 k^2 + 7 k of the smaller side k, and the copy that it overwrites
        k = min(args[0].shape[-2:])
        return args[0].nbytes + 4 * k * k * args[0].element_size()
    return 0
