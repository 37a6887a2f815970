"""Shard a model over the processes of a run by FSDP: each holds its part, and one block at a time is gathered.

With an adapter, the frozen weights are sharded, and the U of every FRoD layer, which is as large as the layer's weight.
The trainable parameters are small: every process keeps all of them and DDP averages their gradients. Where blocks have
no frozen weights, as in full fine-tuning, the trainable parameters are sharded instead, with their gradients and the
optimizer's state. The bases V, which many blocks share, and tensors that are not floating-point are never sharded.
"""

from collections.abc import Callable
from typing import Any

from accelerate import Accelerator
from torch import nn
from torch.optim import Optimizer

from frod_bench.errors import RequestError
from frod_bench.methods.support.adapted import Adapted

MakeOptimizer = Callable[[Adapted], Optimizer]


def prepare_sharded(
    adapted: Adapted, make_optimizer: MakeOptimizer, accelerator: Accelerator
) -> tuple[nn.Module, Optimizer, Optimizer]:
    """Shard the model in place; return the model to train, the optimizer, and the optimizer as accelerate wraps it.

    Raises RequestError when the backbone is not a stack of blocks.
    """
    model = adapted.model
    modules: list[Any] = list(model.modules())
    for module in modules:
        if hasattr(module, "prepare_for_sharding"):
            module.prepare_for_sharding()
    stack = blocks(model)
    if not stack:
        raise RequestError(
            "train.shard=true splits a backbone that is a stack of blocks, and this one is not. Leave it out."
        )
    where = (accelerator.device.type, accelerator.num_processes)
    frozen = {p for block in stack for p in block.parameters() if not p.requires_grad and _is_shardable(p)}
    if frozen:
        optimizer = make_optimizer(adapted)
        training, wrapped = accelerator.prepare(model, optimizer)  # DDP, before anything in the model is sharded
        shard_blocks(model, stack, {p for p in model.parameters() if p not in frozen}, *where)
    else:
        shard_blocks(model, stack, {p for p in model.parameters() if not _is_shardable(p)}, *where)
        optimizer = make_optimizer(adapted)  # over the shards, which have replaced the parameters
        training = accelerator.prepare_model(model, evaluation_mode=True)  # no DDP: FSDP averages the gradients
        wrapped = accelerator.prepare_optimizer(optimizer)
    model._is_fsdp_managed_module = True  # type: ignore[assignment]  # so that no process stops generating before the others (transformers)
    return training, optimizer, wrapped


def shard_blocks(
    model: nn.Module, stack: list[nn.Module], unsharded: set[nn.Parameter], device_type: str, parts: int
) -> None:
    """Shard everything but `unsharded` in place: one group per block of the stack, and one for the rest."""
    from torch.distributed.device_mesh import init_device_mesh  # these take a second to import
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh(device_type, (parts,))
    for module in (*stack, model):  # with the model as the root, blocks are gathered ahead of use
        fully_shard(module, mesh=mesh, reshard_after_forward=True, ignored_params=unsharded)


def blocks(model: nn.Module) -> list[nn.Module]:
    """Return the elements of the outermost module lists, which are the blocks of a transformer."""
    found: list[nn.Module] = []
    for child in model.children():
        found += list(child) if isinstance(child, nn.ModuleList) and len(child) > 1 else blocks(child)
    return found


def _is_shardable(parameter: nn.Parameter) -> bool:
    return parameter.is_floating_point() and parameter.dim() > 0
