import math

import pytest
from torch import nn

from frod_bench.methods import attach
from frod_bench.train.optim import learning_rates, make_optimizer, make_schedule


@pytest.mark.parametrize("method", ["frod", "lora", "full_ft"])
def test_a_group_a_role_at_its_rate(make_trainer, make_settings, method):
    adapted = make_trainer(method).adapted
    rates = {role: 10.0**-i for i, role in enumerate(adapted.roles, start=1)}
    optimizer = make_optimizer(adapted, make_settings(method, lr=rates, weight_decay=0.3, betas=(0.8, 0.9)))
    assert learning_rates(optimizer) == rates
    for group in optimizer.param_groups:
        assert [id(p) for p in group["params"]] == [id(p) for p in adapted.roles[group["role"]]]
        assert group["weight_decay"] == 0.3
        assert group["betas"] == (0.8, 0.9)
    trained = [id(p) for group in optimizer.param_groups for p in group["params"]]
    assert sorted(trained) == sorted(id(p) for p in adapted.model.parameters() if p.requires_grad)


def test_a_role_without_parameters_has_no_group(make_settings):
    adapted = attach(nn.ModuleDict({"query": nn.Linear(8, 8)}), "frod", targets=["query"])
    assert set(learning_rates(make_optimizer(adapted, make_settings("frod")))) == {"diag", "sparse"}


@pytest.mark.parametrize(
    ("schedule", "factors"),
    [
        ("constant", [0, 0.5, 1, 1, 1, 1]),
        ("linear", [0, 0.5, 1, 0.75, 0.5, 0.25]),
        ("cosine", [0, 0.5, *(0.5 * (1 + math.cos(math.pi * k / 4)) for k in range(4))]),
    ],
)
def test_rates_of_every_step(make_trainer, make_settings, schedule, factors):
    rates = {"backbone": 2.0, "head": 4.0}
    settings = make_settings(lr=rates, schedule=schedule, warmup_steps=1 / 3)
    optimizer = make_optimizer(make_trainer().adapted, settings)
    scheduler = make_schedule(optimizer, settings, steps=6)
    seen = []
    for _ in factors:
        seen.append(learning_rates(optimizer))
        optimizer.step()
        scheduler.step()
    assert [lr["backbone"] for lr in seen] == pytest.approx([2 * f for f in factors])
    assert [lr["head"] for lr in seen] == pytest.approx([4 * f for f in factors])


@pytest.mark.parametrize(("warmup", "first"), [(0.5, 5), (1, 1), (4, 4), (100, 100)])
def test_a_warmup_of_one_or_more_counts_steps(make_trainer, make_settings, warmup, first):
    settings = make_settings(schedule="linear", warmup_steps=warmup)
    optimizer = make_optimizer(make_trainer().adapted, settings)
    scheduler = make_schedule(optimizer, settings, steps=10)
    optimizer.step()
    scheduler.step()
    assert learning_rates(optimizer) == pytest.approx({role: rate / first for role, rate in settings.lr.items()})


def test_without_a_warmup_the_first_step_has_the_full_rate(make_trainer, make_settings):
    settings = make_settings(schedule="linear", warmup_steps=0.0)
    optimizer = make_optimizer(make_trainer().adapted, settings)
    make_schedule(optimizer, settings, steps=10)
    assert learning_rates(optimizer) == settings.lr
