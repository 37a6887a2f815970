"""What is split, how much of it stays, and what cannot be split; that it computes the same: test_two_processes.py."""

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.testing._internal.distributed.fake_pg import FakeStore

from frod_bench.adapters.frod import FrodLinear
from frod_bench.errors import RequestError
from frod_bench.methods import attach
from frod_bench.train.sharding import blocks, shard


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.query, self.norm = nn.Linear(16, 8), nn.LayerNorm(8)

    def forward(self, x):
        return self.norm(self.query(x))


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(7, 16)
        self.layers = nn.ModuleList(Block() for _ in range(2))
        self.classifier = nn.Linear(8, 2)


@pytest.fixture
def two_processes():
    """Let this process be the first of two, whose other one never answers."""
    dist.init_process_group("fake", rank=0, world_size=2, store=FakeStore())
    yield
    dist.destroy_process_group()


def attached(method):
    torch.manual_seed(0)
    return attach(Model(), method=method, targets=["query"], head=["classifier"])


@pytest.mark.parametrize("method", ["frod", "lora"])
def test_half_of_what_is_frozen_in_blocks_stays_and_all_of_what_trains(two_processes, method):
    adapted = attached(method)
    frozen = {n: p.numel() for n, p in adapted.model.layers.named_parameters() if not p.requires_grad}
    trained = adapted.trainable_state()
    shard(adapted.model, "cpu", 2)
    after = dict(adapted.model.layers.named_parameters())
    assert {n: after[n].to_local().numel() for n in frozen} == {n: count // 2 for n, count in frozen.items()}
    assert {n: p.data_ptr() for n, p in adapted.trainable_state().items()} == {
        n: p.data_ptr() for n, p in trained.items()
    }
    assert not hasattr(adapted.model.embedding.weight, "to_local")
    adapted.require_attached()


def test_frod_splits_u_and_keeps_no_merged_weight(two_processes):
    adapted = attached("frod")
    layer = next(module for module in adapted.model.modules() if isinstance(module, FrodLinear))
    whole = layer.Ut.shape
    shard(adapted.model, "cpu", 2)
    assert layer.Ut.shape == whole
    assert layer.Ut.to_local().shape == (whole[0] // 2, whole[1])
    with adapted.fixed_weights(4):
        assert (layer.passes, layer.keeps, layer.recompute) == (0, False, True)
    assert not hasattr(layer.basis.Vt, "to_local")


def test_what_trains_everything_or_has_no_blocks_is_refused(two_processes):
    with pytest.raises(RequestError, match=r"train\.shard=true splits frozen weights.*Leave it out"):
        shard(attached("full_ft").model, "cpu", 2)
    plain = nn.Sequential(nn.Linear(4, 4).requires_grad_(False), nn.Linear(4, 2))
    with pytest.raises(RequestError, match="no stack of blocks"):
        shard(plain, "cpu", 2)


def test_blocks_are_those_of_the_outermost_lists():
    inner = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])
    outer = nn.ModuleList([nn.Sequential(inner), nn.Linear(2, 2)])
    single = nn.ModuleList([nn.Linear(2, 2)])
    assert blocks(nn.ModuleDict({"a": outer, "b": single, "c": nn.Linear(2, 2)})) == list(outer)
