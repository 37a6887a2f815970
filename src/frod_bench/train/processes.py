"""Keep frozen weights out of the exchange between the processes of a run, once all hold the same ones."""

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch.nn.parallel import DistributedDataParallel

from frod_bench.errors import RunFailure
from frod_bench.methods.support.adapted import Adapted

_TOLERANCE = 1e-3  # of a fingerprint, relative; the same as for one on disk


def exclude_frozen_from_ddp(adapted: Adapted, accelerator: Accelerator) -> None:
    """Make DDP ignore the frozen part of the model, after checking that all processes hold the same.

    DDP would otherwise send it to every process at the start, and memory-mapped entries of the decomposition cache,
    which processes on one machine share, would become private copies. Raises RunFailure when a frozen basis differs.
    """
    if accelerator.num_processes == 1:
        return
    own = {name: value.flatten().tolist() for name, value in adapted.fingerprint().items()}
    first, *others = gather_object([own])
    for rank, other in enumerate(others, start=1):
        for name, values in first.items():
            if not torch.allclose(torch.tensor(other[name]), torch.tensor(values), rtol=_TOLERANCE, atol=1e-4):
                raise RunFailure(
                    f"Process {rank} computed another {name} than process 0, so their gradients do not belong together."
                    " Let FROD_BENCH_CACHE name a folder that all processes share."
                )
    frozen = [name for name, parameter in adapted.model.named_parameters() if not parameter.requires_grad]
    frozen += [name for name, _ in adapted.model.named_buffers()]
    DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(adapted.model, frozen)
