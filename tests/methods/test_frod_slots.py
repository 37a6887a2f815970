"""FRoD in its own coordinates: runs of one seed share U, V and the pattern; slots have patterns that do not overlap."""

import pytest
import torch

from frod_bench.errors import RequestError
from frod_bench.methods import load_adapter
from frod_bench.methods.frod import frod_layers


def updates(adapted):
    return {name: layer.merged_weight() - layer.W for name, layer in frod_layers(adapted.model)}


def test_averaging_updates_of_one_seed_is_averaging_sigma_and_s(attached, train):
    first, second, mean = (attached("frod", seed=4, sparsity=0.1) for _ in range(3))
    train(first.model, steps=3)
    train(second.model, steps=5)
    states = [adapted.trainable_state() for adapted in (first, second)]
    mean.load_state({name: (states[0][name] + states[1][name]) / 2 for name in states[0]})
    parts = [updates(adapted) for adapted in (first, second)]
    for name, update in updates(mean).items():
        torch.testing.assert_close(update, (parts[0][name] + parts[1][name]) / 2, rtol=1e-3, atol=1e-6)


def test_slots_share_u_and_v_and_no_place(attached):
    drawn = [dict(frod_layers(attached("frod", seed=4, sparsity=0.1, pattern_slot=slot).model)) for slot in (0, 1)]
    for name, layer in drawn[0].items():
        other = drawn[1][name]
        assert torch.equal(layer.Ut, other.Ut) and torch.equal(layer.basis.Vt, other.basis.Vt)
        places = [
            set(zip(p.rows.tolist(), p.cols.tolist(), strict=True)) for p in (layer.basis.pattern, other.basis.pattern)
        ]
        assert len(places[0]) == len(places[1]) > 0 and not places[0] & places[1]


def test_a_slot_is_saved_with_the_adapter(attached, train, logits, make_model, tmp_path):
    adapted = attached("frod", pattern_slot=3)
    train(adapted.model)
    adapted.save(tmp_path)
    assert torch.equal(logits(load_adapter(make_model(), tmp_path).model), logits(adapted.model))


@pytest.mark.parametrize("options", [{"pattern": "banded"}, {"basis": "peft"}, {"pattern_slot": -1}])
def test_slots_are_for_random_patterns(options, attached):
    with pytest.raises(RequestError, match="pattern=random"):
        attached("frod", **{"pattern_slot": 1} | options)


def test_a_slot_beyond_the_density_is_refused(attached):
    with pytest.raises(RequestError, match=r"pattern_slot=2 is not accepted.*Lower method.sparsity"):
        attached("frod", sparsity=0.4, pattern_slot=2)
