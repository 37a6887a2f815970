"""What an interrupted run needs to go on as if nothing had happened: two files, each whole or absent.

A file is named by its place in the row and the checksum of its content, so that a damaged one is told from a whole
one. The one before the newest is kept, and read when the newest is damaged.
"""

import contextlib
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

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
_FRESH = "new.tmp"  # a whole one that has no name of its own yet
_KEPT = 2
_BLOCK = 2**20


def save_checkpoint(directory: Path, trainer: Trainer, progress: dict[str, Any]) -> None:
    """Write the trainable values, the optimizer, the schedule, all random states and `progress` (plain data).

    Every process calls it, with its own random states, and the main one writes. Raises OSError when the file cannot
    be written, as when the disk is full; what was there before then still is.
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
    fresh = directory / _FRESH
    with replacing(fresh) as partial, partial.open("wb") as file:
        stream = _ChecksummedFile(file)
        try:
            torch.save(state, stream)
        except RuntimeError as error:  # what torch makes of an error in writing
            raise stream.error or error from None
    number = max((_number(file) for file in directory.glob(_FILES)), default=0) + 1
    fresh.replace(directory / f"{number:06d}-{stream.sum.hexdigest()}.pt")
    for old in _newest_first(directory)[_KEPT:]:
        old.unlink()


def load_checkpoint(
    directory: Path, trainer: Trainer, objection: Callable[[dict[str, Any]], str | None] = lambda progress: None
) -> dict[str, Any] | None:
    """Put the trainer back and return `progress`; None when there is no checkpoint to go on from.

    A damaged file is passed over with a notice and removed, as is one whose progress meets an objection. Only tensors
    and plain data are read, never code. Raises RequestError when the newest whole file is not of this model.
    """
    progress, passed = None, []
    for file in _newest_first(directory):
        whole = _checksum(file) == file.stem.partition("-")[2]
        state = _read(file) if whole else None
        reason = objection(state["progress"]) if whole else f"The checkpoint {file.name} is damaged"
        if reason is None:
            _restore(state, file, trainer)
            progress = state["progress"]
            break
        passed.append((file, reason))
    trainer.accelerator.wait_for_everyone()  # until then another process may read them
    if trainer.accelerator.is_main_process:
        for reason in dict.fromkeys(reason for _, reason in passed):
            say(f"{reason}; the run goes on from before that.")
        for file, _ in passed:
            file.unlink()
    return progress


def delete_checkpoints(directory: Path) -> None:
    """Remove the checkpoints of a run that is complete, and their folder; what cannot be removed stays."""
    with contextlib.suppress(OSError):
        refuse_link(directory)
        for file in [*_newest_first(directory), directory / _FRESH]:
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
    """Turn what goes wrong in the block into a RequestError that names the checkpoint."""
    advice = f"Delete the folder {file.parent}, and the same command starts afresh."
    try:
        yield
    except RequestError as error:
        raise RequestError(f"The checkpoint {file} cannot be used. {error} {advice}") from error
    except Exception as error:  # torch raises many types for what is none of its archives
        raise RequestError(f"The checkpoint {file} cannot be used ({type(error).__name__}). {advice}") from error


def _whole_state(optimizer: Optimizer) -> dict[str, Any]:
    """Return the optimizer's state with whole tensors."""
    content = optimizer.state_dict()
    state = {i: {key: gather_full(value) for key, value in own.items()} for i, own in content["state"].items()}
    return content | {"state": state}


def _split_state(content: dict[str, Any], optimizer: Optimizer) -> dict[str, Any]:
    """Return what `_whole_state` returned, each tensor split as its parameter is."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state = {
        i: {k: shard_like(v, parameters[i]) if v.shape == parameters[i].shape else v for k, v in own.items()}
        for i, own in content["state"].items()
    }
    return content | {"state": state}


class _ChecksummedFile:
    """A file that is written to, its checksum, and the error that writing ended with."""

    def __init__(self, file: BinaryIO):
        self._file, self.sum, self.error = file, xxhash.xxh3_64(), None

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
    kind, keys, *rest = np.random.get_state()
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
