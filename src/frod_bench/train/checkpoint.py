"""What an interrupted run needs to go on as if nothing had happened, in one file that is whole or absent."""

import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch

from frod_bench.errors import RequestError
from frod_bench.train.trainer import Trainer

_FILE = "last.pt"


def save_checkpoint(directory: Path, trainer: Trainer, progress: dict[str, Any]) -> None:
    """Write the trainable values, the optimizer, the schedule, all random states and `progress` (plain data)."""
    directory.mkdir(parents=True, exist_ok=True)
    state = {
        "trainable": trainer.adapted.trainable_state(),
        "optimizer": trainer.optimizer.state_dict(),
        "schedule": trainer.schedule.state_dict(),
        "scaler": trainer.accelerator.scaler.state_dict() if trainer.accelerator.scaler is not None else {},
        "random": _random_states(),
        "progress": progress,
    }
    partial = directory / f"{_FILE}.tmp"
    with open(partial, "wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(directory / _FILE)


def load_checkpoint(directory: Path, trainer: Trainer) -> dict[str, Any] | None:
    """Put the trainer back and return `progress`; None when there is no checkpoint.

    Only tensors and plain data are read, never code. Raises RequestError when the file is damaged or of another model.
    """
    file = directory / _FILE
    if not file.exists():
        return None
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
        trainer.adapted.load_state(state["trainable"])
        trainer.optimizer.load_state_dict(state["optimizer"])
        trainer.schedule.load_state_dict(state["schedule"])
        if trainer.accelerator.scaler is not None:
            trainer.accelerator.scaler.load_state_dict(state["scaler"])
        _restore_random(state["random"])
        return state["progress"]
    except Exception as error:  # torch raises many types for a damaged archive
        raise RequestError(
            f"The checkpoint {file} cannot be used ({type(error).__name__}). Start afresh with force=true."
        ) from error


def delete_checkpoint(directory: Path) -> None:
    """Remove the checkpoint of a run that is complete."""
    (directory / _FILE).unlink(missing_ok=True)
    if directory.exists() and not any(directory.iterdir()):
        directory.rmdir()


def _random_states() -> dict[str, Any]:
    kind, keys, *rest = np.random.get_state()
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    numpy_state = [kind, torch.from_numpy(keys.astype(np.int64)), *rest]
    return {"torch": torch.get_rng_state(), "cuda": cuda, "numpy": numpy_state, "python": random.getstate()}


def _restore_random(states: dict[str, Any]) -> None:
    torch.set_rng_state(states["torch"])
    if states["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(states["cuda"])
    kind, keys, *rest = states["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), *rest))
    version, internal, gauss = states["python"]
    random.setstate((version, tuple(internal), gauss))
