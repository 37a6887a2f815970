"""The threshold against a sort of everything."""

import pytest
import torch

from frod_bench.merging.threshold import largest


@pytest.mark.parametrize("scale", [1.0, 1e-6, 1e-38])
def test_it_is_the_value_in_the_sorted_whole(scale):
    generator = torch.Generator().manual_seed(0)
    tensors = [scale * torch.randn(size, generator=generator) for size in ((3, 5), (17,), (40, 40))]
    everything = torch.cat([t.flatten() for t in tensors]).abs().sort(descending=True).values
    for kept in (1, 2, 100, 1000, len(everything)):
        assert largest(lambda: tensors, kept) == everything[kept - 1].item()


def test_equal_entries():
    tensors = [torch.tensor([0.0, -2.0, 2.0]), torch.tensor([2.0, 1.0])]
    assert [largest(lambda: tensors, kept) for kept in range(1, 6)] == [2.0, 2.0, 2.0, 1.0, 0.0]


@pytest.mark.parametrize("kept", [0, 4])
def test_what_is_not_there_is_refused(kept):
    with pytest.raises(ValueError, match="cannot be kept"):
        largest(lambda: [torch.ones(3)], kept)
