"""What is frozen, split over the processes of a run by FSDP and gathered a block at a time.

What trains stays whole in every process, where DDP averages its gradients and checkpoints find it: it is small. So a
base model, and the U of every FRoD layer, which is as large as the layer's weight, need only be held once by all
processes together. The bases V, which many blocks share, and what is not of floating point stay whole as well.
"""

from torch import nn

from frod_bench.errors import RequestError


def shard(model: nn.Module, device_type: str, processes: int) -> None:
    """Split the frozen parameters of every block of `model`, in place.

    Raises RequestError where no block has frozen weights.
    """
    from torch.distributed.device_mesh import init_device_mesh  # these take a second to import
    from torch.distributed.fsdp import fully_shard

    for module in list(model.modules()):
        if hasattr(module, "hold_as_parameters"):
            module.hold_as_parameters()
    found = [block for block in blocks(model) if any(map(_can_be_split, block.parameters()))]
    if not found:
        raise RequestError(
            "train.shard=true splits frozen weights over processes, and this method trains all of them, or the"
            " backbone is no stack of blocks. Leave it out."
        )
    split = {p for block in found for p in block.parameters() if _can_be_split(p)}
    whole = {p for p in model.parameters() if p not in split}
    mesh = init_device_mesh(device_type, (processes,))
    for block in found:
        fully_shard(block, mesh=mesh, reshard_after_forward=True, ignored_params=whole)
    fully_shard(model, mesh=mesh, ignored_params=whole)  # holds nothing itself: lets gathering run ahead of the blocks
    model._is_fsdp_managed_module = True  # transformers: generating, no process may stop before the others


def blocks(model: nn.Module) -> list[nn.Module]:
    """Return the elements of the outermost module lists: the repeated blocks of a transformer."""
    found: list[nn.Module] = []
    for child in model.children():
        found += list(child) if isinstance(child, nn.ModuleList) and len(child) > 1 else blocks(child)
    return found


def _can_be_split(parameter: nn.Parameter) -> bool:
    return not parameter.requires_grad and parameter.is_floating_point() and parameter.dim() > 0
