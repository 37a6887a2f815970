"""Fix the free sign of eigenvectors and singular vectors, so that two machines agree."""

import torch
from torch import Tensor


def largest_signs(vectors: Tensor) -> Tensor:
    """Return the sign [..., 1, k] of the largest entry by size in each column of [..., n, k]; 1 for a zero column."""
    largest = vectors.gather(-2, vectors.abs().argmax(dim=-2, keepdim=True))
    return torch.where(largest < 0, -1.0, 1.0).to(vectors.dtype)
