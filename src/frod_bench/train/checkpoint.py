"""Checkpoints from which an interrupted run resumes bit-for-bit.

A file name holds a running number and the checksum of the content, so a damaged file is recognised. The two newest
checkpoints are kept: when the newest is damaged, the run resumes from the one before it.
"""

import contextlib
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import torch
import xxhash
from accelerate.utils import gather_object
from torch.optim import Optimizer

from frod_bench.console import say
from frod_bench.errors import RequestError
from frod_bench.files import refuse_link, replacing
from frod_bench.ops.sharding import gather_full, shard_like
from frod_bench.train.trainer import Trainer

_FILES = "[0-9][0-9][0-9][0-9][0-9][0-9]-*.pt"
_UNNAMED = "new.tmp"  # a complete checkpoint before it gets its name
_KEPT = 2
_BLOCK = 2**20


def save_checkpoint(directory: Path, trainer: Trainer, progress: dict[str, Any]) -> None:
    """Write the trainable values, the optimizer, the schedule, all random states and `progress` (plain data).

    Every process must call this; the main one writes. Raises OSError when the file cannot be written, for example when
    the disk is full; earlier checkpoints then stay.
    """
    accelerator = trainer.accelerator
    states = gather_object([_random_states()]) if accelerator.num_processes > 1 else [_random_states()]
    trainable, optimizer = trainer.adapted.trainable_state(), _whole_state(trainer.optimizer)
    if not accelerator.is_main_process:
        return
    refuse_link(directory)
    directory.mkdir(exist_ok=True)
    state = {
        "trainable": trainable,
        "fingerprint": trainer.adapted.fingerprint(),
        "optimizer": optimizer,
        "schedule": trainer.schedule.state_dict(),
        "scaler": accelerator.scaler.state_dict() if accelerator.scaler is not None else {},
        "random": states,
        "progress": progress,
    }
    unnamed = directory / _UNNAMED
    with replacing(unnamed) as partial, partial.open("wb") as file:
        stream = _ChecksummedFile(file)
        try:
            torch.save(state, cast(BinaryIO, stream))
        except RuntimeError as error:  # torch hides the OSError of a failed write
            raise stream.error or error from None
    number = max((_number(file) for file in directory.glob(_FILES)), default=0) + 1
    unnamed.replace(directory / f"{number:06d}-{stream.sum.hexdigest()}.pt")
    for old in _newest_first(directory)[_KEPT:]:
        old.unlink()


def load_checkpoint(
    directory: Path, trainer: Trainer, objection: Callable[[dict[str, Any]], str | None] = lambda progress: None
) -> dict[str, Any] | None:
    """Restore the trainer and return `progress`, or None when there is no usable checkpoint.

    A damaged file is skipped with a notice and removed, and so is one to whose progress `objection` returns a reason.
    Reads tensors and plain data, never code. Raises RequestError when the newest intact file belongs to another model.
    """
    progress, passed = None, []
    for file in _newest_first(directory):
        state: dict[str, Any] = {}
        reason: str | None = f"The checkpoint {file.name} is damaged"
        if _checksum(file) == file.stem.partition("-")[2]:
            state = _read(file)
            reason = objection(state["progress"])
        if reason is None:
            _restore(state, file, trainer)
            progress = state["progress"]
            break
        passed.append((file, reason))
    trainer.accelerator.wait_for_everyone()  # another process may still be reading them
    if trainer.accelerator.is_main_process:
        for reason in dict.fromkeys(reason for _, reason in passed):
            say(f"{reason}; the run resumes from before that.")
        for file, _ in passed:
            file.unlink()
    return progress


def delete_checkpoints(directory: Path) -> None:
    """Remove the checkpoints of a complete run and their folder, as far as they can be removed."""
    with contextlib.suppress(OSError):
        refuse_link(directory)
        for file in [*_newest_first(directory), directory / _UNNAMED]:
            file.unlink(missing_ok=True)
        directory.rmdir()


def _newest_first(directory: Path) -> list[Path]:
    return sorted(directory.glob(_FILES), key=_number, reverse=True)


def _number(file: Path) -> int:
    return int(file.stem.partition("-")[0])


def _read(file: Path) -> dict[str, Any]:
    with _usable(file):
        state = torch.load(file, map_location="cpu", weights_only=True)
        state["progress"]
        return state


def _restore(state: dict[str, Any], file: Path, trainer: Trainer) -> None:
    with _usable(file):
        if "fingerprint" in state:
            trainer.adapted.check_fingerprint(state["fingerprint"], file.parent)
        trainer.adapted.load_state(state["trainable"])
        trainer.optimizer.load_state_dict(_split_state(state["optimizer"], trainer.optimizer))
        trainer.schedule.load_state_dict(state["schedule"])
        if trainer.accelerator.scaler is not None:
            trainer.accelerator.scaler.load_state_dict(state["scaler"])
        states = state["random"]
        _restore_random(states[trainer.accelerator.process_index % len(states)])


@contextlib.contextmanager
def _usable(file: Path) -> Iterator[None]:
    """Turn any error in the block into a RequestError that names the checkpoint."""
    advice = f"Delete the folder {file.parent}, and the same command starts again."
    try:
        yield
    except RequestError as error:
        raise RequestError(f"The checkpoint {file} cannot be used. {error} {advice}") from error
    except Exception as error:  # torch raises many types for a file that is not one of its archives
        raise RequestError(f"The checkpoint {file} cannot be used ({type(error).__name__}). {advice}") from error


def _whole_state(optimizer: Optimizer) -> dict[str, Any]:
    """Return the optimizer's state with unsharded tensors."""
    content = optimizer.state_dict()
    state = {i: {key: gather_full(value) for key, value in own.items()} for i, own in content["state"].items()}
    return content | {"state": state}


def _split_state(content: dict[str, Any], optimizer: Optimizer) -> dict[str, Any]:
    """Return the result of `_whole_state` with every tensor sharded like its parameter."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state = {
        i: {k: shard_like(v, parameters[i]) if v.shape == parameters[i].shape else v for k, v in own.items()}
        for i, own in content["state"].items()
    }
    return content | {"state": state}


class _ChecksummedFile:
    """A file open for writing that keeps the checksum of what is written, and the error when a write fails."""

    def __init__(self, file: BinaryIO):
        self._file, self.sum = file, xxhash.xxh3_64()
        self.error: OSError | None = None

    def write(self, data: Any) -> int:
        self.sum.update(data)
        try:
            return self._file.write(data)
        except OSError as error:
            self.error = error
            raise

    def flush(self) -> None:
        self._file.flush()


def _checksum(file: Path) -> str:
    digest = xxhash.xxh3_64()
    with open(file, "rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _random_states() -> dict[str, Any]:
    kind, keys, *rest = cast(tuple[Any, ...], np.random.get_state(legacy=True))
    cuda = [torch.cuda.get_rng_state()] if torch.cuda.is_available() else []  # of this process's own device
    numpy_state = [kind, torch.from_numpy(keys.astype(np.int64)), *rest]
    return {"torch": torch.get_rng_state(), "cuda": cuda, "numpy": numpy_state, "python": random.getstate()}


def _restore_random(states: dict[str, Any]) -> None:
    torch.set_rng_state(states["torch"])
    if states["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"][0])
    kind, keys, *rest = states["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), *rest))
    version, internal, gauss = states["python"]
    random.setstate((version, tuple(internal), gauss))
