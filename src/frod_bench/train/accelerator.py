"""The accelerator of a run: its device and precision, and checks of how several processes were launched."""

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedType

from frod_bench.errors import RequestError
from frod_bench.train.settings import TrainSettings

_OTHER_ENGINES = (DistributedType.FSDP, DistributedType.DEEPSPEED, DistributedType.MEGATRON_LM)


def make_accelerator(settings: TrainSettings) -> Accelerator:
    """Return the accelerator.

    Raises RequestError when the device or the precision is not available, and for a launcher that is not supported.
    """
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise RequestError("train.device=cuda is not available: torch sees no CUDA device. Use train.device=cpu.")
    cpu = settings.device == "cpu" or not torch.cuda.is_available()
    if cpu and settings.precision == "fp16":
        raise RequestError("train.precision=fp16 needs a CUDA device. Use train.precision=bf16 or no.")
    # accelerate keeps one state per process, but the runs of a sweep may differ in device and precision
    AcceleratorState._reset_state(reset_partial_state=True)
    accelerator = Accelerator(mixed_precision=settings.precision, cpu=cpu)
    if accelerator.distributed_type in _OTHER_ENGINES:
        raise RequestError(
            f"accelerate's {accelerator.distributed_type.value} is not used here. Launch without it: torchrun"
            " --nproc-per-node=N -m frod_bench …; train.shard=true then splits the weights over the processes."
        )
    if settings.shard and accelerator.num_processes == 1:
        raise RequestError(
            "train.shard=true splits the weights over processes, and this is one process. Start several:"
            " torchrun --nproc-per-node=N -m frod_bench …"
        )
    return accelerator
