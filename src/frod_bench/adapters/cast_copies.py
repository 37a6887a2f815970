"""Copies of frozen tensors in a lower dtype: autocast would cast them again in every forward and backward pass."""

import torch
from torch import Tensor


class CastCopies:
    """One copy of each tensor, by name, in the dtype that was asked for last; the same bits as a fresh cast."""

    def __init__(self) -> None:
        self._copies: dict[str, tuple[Tensor, Tensor]] = {}  # the tensor, so that another one is noticed, and its copy

    def get(self, name: str, tensor: Tensor, dtype: torch.dtype) -> Tensor:
        """Return `tensor` in `dtype`; itself if it has that dtype already, or where a compiler would keep the copy."""
        if tensor.dtype == dtype or torch.compiler.is_compiling():
            return tensor
        found = self._copies.get(name)  # read once, as another thread may replace it at any time
        if found is None or found[0] is not tensor or found[1].dtype != dtype:
            with torch.inference_mode(False):  # a tensor made in inference mode cannot be used in training
                found = (tensor, tensor.detach().to(dtype))
            self._copies[name] = found
        return found[1]

    def __deepcopy__(self, memo: dict) -> "CastCopies":
        return CastCopies()

    def __reduce__(self) -> tuple:  # pickles are without the copies
        return CastCopies, ()
