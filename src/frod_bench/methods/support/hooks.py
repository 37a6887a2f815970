"""Move what others have registered on a layer, such as hooks, to the adapter that replaces it, and back."""

from torch import nn

_HOOKS = (
    *("_forward_hooks", "_forward_hooks_with_kwargs", "_forward_hooks_always_called"),
    *("_forward_pre_hooks", "_forward_pre_hooks_with_kwargs", "_backward_hooks", "_backward_pre_hooks"),
)


def move_hooks(old: nn.Module, new: nn.Module) -> None:
    """Move the hooks of torch and accelerate from `old` to `new`, so that they see the output of the new module.

    Their handles stay valid, because the dictionaries themselves move.
    """
    empty = nn.Module()
    for name in _HOOKS:
        hooks = getattr(old, name)
        hooks.update(getattr(new, name))
        setattr(new, name, hooks)
        setattr(old, name, getattr(empty, name))
    new._is_full_backward_hook, old._is_full_backward_hook = old._is_full_backward_hook, None
    if "_hf_hook" in vars(old):
        _move_accelerate_hook(old, new)


def _move_accelerate_hook(old: nn.Module, new: nn.Module) -> None:
    from accelerate.hooks import add_hook_to_module, remove_hook_from_module  # installed, as it has set the hook

    hook = old._hf_hook
    remove_hook_from_module(old)
    del old.forward  # accelerate leaves the method of the class on the object
    add_hook_to_module(new, hook)


def copy_attributes(layer: nn.Linear, adapter: nn.Module) -> None:
    """Copy attributes that others have set on `layer` to its `adapter`; not from a layer with packed weights."""
    if not layer.weight.is_floating_point():
        return
    own = vars(nn.Linear(1, 1, device="meta"))
    for name, value in vars(layer).items():
        if name not in own and not hasattr(adapter, name):
            setattr(adapter, name, value)


def has_patched_forward(module: nn.Module) -> bool:
    """Return whether `forward` was replaced on the object itself, by anything but accelerate."""
    forward = vars(module).get("_old_forward" if "_hf_hook" in vars(module) else "forward")
    return forward is not None and getattr(forward, "__func__", None) is not type(module).forward
