"""When a product may run as plain code: dispatching it as an operator costs three times what it computes when small."""

import torch
from torch import Tensor


def runs_directly(tensor: Tensor) -> bool:
    """Return whether nothing has to see an operator here: no gradient, compiler, mode or subclass of `Tensor`.

    This holds in the forward and backward passes of the ways, but for second derivatives.
    """
    if torch.compiler.is_compiling():
        return False
    return (
        type(tensor) is Tensor
        and not torch.is_grad_enabled()
        and not torch._C._len_torch_dispatch_stack()
        and not torch._C._are_functorch_transforms_active()
    )
