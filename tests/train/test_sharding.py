"""What is split, how much of it stays, and what cannot be split; that it computes the same: test_two_processes.py."""

from functools import partial
from types import SimpleNamespace

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.testing._internal.distributed.fake_pg import FakeStore

from frod_bench.adapters.frod import FrodLinear
from frod_bench.errors import RequestError
from frod_bench.methods import attach
from frod_bench.ops.sharding import is_sharded
from frod_bench.train.optim import make_optimizer
from frod_bench.train.settings import TrainSettings
from frod_bench.train.sharding import blocks, prepare_sharded

ROLES = {"frod": ("diag", "sparse", "head"), "lora": ("adapter", "head"), "full_ft": ("backbone", "head")}
SETTINGS = {
    name: TrainSettings(epochs=1, batch_size=2, lr=dict.fromkeys(roles, 0.1), roles=roles)
    for name, roles in ROLES.items()
}


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.query, self.norm = nn.Linear(16, 8), nn.LayerNorm(8)

    def forward(self, x):
        return self.norm(self.query(x))


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(6, 16)
        self.layers = nn.ModuleList(Block() for _ in range(2))
        self.classifier = nn.Linear(8, 2)


@pytest.fixture
def two_processes():
    """Let this process be the first of two, whose other one never answers."""
    dist.init_process_group("fake", rank=0, world_size=2, store=FakeStore())
    yield
    dist.destroy_process_group()


def prepared(method):
    """Return an adapted model that has been split, its parameters before, and its optimizer."""
    torch.manual_seed(0)
    adapted = attach(Model(), method=method, targets=["query"], head=["classifier"])
    before = dict(adapted.model.named_parameters())
    accelerator = SimpleNamespace(
        device=torch.device("cpu"),
        num_processes=2,
        prepare=lambda model, optimizer: (model, optimizer),
        prepare_model=lambda model, evaluation_mode: model,
        prepare_optimizer=lambda optimizer: optimizer,
    )
    make = partial(make_optimizer, settings=SETTINGS[method])
    model, optimizer, wrapped = prepare_sharded(adapted, make, accelerator)
    assert (model, optimizer) == (adapted.model, wrapped)
    return adapted, before, optimizer


@pytest.mark.parametrize("method", ["frod", "lora"])
def test_half_of_what_is_frozen_in_blocks_stays_and_all_of_what_trains(two_processes, method):
    adapted, before, optimizer = prepared(method)
    for name, p in adapted.model.named_parameters():
        if p.requires_grad:
            assert p is before[name]
        elif name.startswith("layers.") and not name.endswith(".Ut"):
            assert p.to_local().numel() == before[name].numel() // 2
        elif name.startswith("embedding."):
            assert not is_sharded(p)
    assert trained_by(optimizer) == {id(p) for p in adapted.model.parameters() if p.requires_grad}
    adapted.require_attached()


def test_frod_splits_u_and_keeps_no_merged_weight(two_processes):
    adapted, *_ = prepared("frod")
    layer = next(module for module in adapted.model.modules() if isinstance(module, FrodLinear))
    assert layer.Ut.shape == (16, 8)
    assert layer.Ut.to_local().shape == (8, 8)
    with adapted.fixed_weights(4):
        assert (layer.formed.expected_passes, layer.formed.allowed, layer.recompute) == (0, False, True)
    assert not is_sharded(layer.basis.Vt)


def test_where_nothing_is_frozen_everything_is_split_and_the_roles_follow(two_processes):
    adapted, before, optimizer = prepared("full_ft")
    assert all(
        p.to_local().numel() == before[n].numel() // 2 for n, p in adapted.model.named_parameters() if p.dim() > 1
    )
    assert adapted.count() == {"backbone": 6 * 16 + 2 * (16 * 8 + 8 + 2 * 8), "head": 2 * 8 + 2}
    assert trained_by(optimizer) == {id(p) for p in adapted.model.parameters()}
    adapted.require_attached()


def trained_by(optimizer):
    return {id(p) for group in optimizer.param_groups for p in group["params"]}


def test_a_model_without_blocks_is_refused():
    adapted = attach(
        nn.ModuleDict({"query": nn.Linear(4, 4), "head": nn.Linear(4, 2)}),
        method="lora",
        targets=["query"],
        head=["head"],
    )
    with pytest.raises(RequestError, match=r"train\.shard=true splits a backbone that is a stack.*Leave it out"):
        prepare_sharded(adapted, None, None)


def test_blocks_are_those_of_the_outermost_lists():
    inner = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])
    outer = nn.ModuleList([nn.Sequential(inner), nn.Linear(2, 2)])
    single = nn.ModuleList([nn.Linear(2, 2)])
    assert blocks(nn.ModuleDict({"a": outer, "b": single, "c": nn.Linear(2, 2)})) == list(outer)
