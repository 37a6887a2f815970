import json

import pytest

from frod_bench.record import config_hash

CONFIG = {
    "method": {"name": "frod", "sparsity": 0.02, "targets": ["query", "value"]},
    "seed": 0,
    "data": None,
}


def test_the_hash_is_16_digits_that_stay_the_same_for_ever():
    assert config_hash(CONFIG) == "246bf855c87b192f"


def test_the_order_of_keys_does_not_matter():
    assert config_hash(dict(reversed(CONFIG.items()))) == config_hash(CONFIG)


def test_a_float_means_the_same_after_json():
    config = {"lr": 0.1 + 0.2}
    assert config_hash(json.loads(json.dumps(config))) == config_hash(config)


@pytest.mark.parametrize("change", [{"seed": 1}, {"seed": False}, {"data": "null"}, {"method": {}}, {"extra": None}])
def test_any_change_gives_another_hash(change):
    assert config_hash(CONFIG | change) != config_hash(CONFIG)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(ValueError, match="JSON"):
        config_hash({"lr": value})
