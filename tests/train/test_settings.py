import math

import pytest

from frod_bench.errors import RequestError
from frod_bench.train.settings import TrainSettings

GOOD = {"epochs": 3, "batch_size": 16, "lr": {"diag": 1e-3, "head": 0}, "roles": ("diag", "head")}


def test_good_values_are_kept():
    settings = TrainSettings(
        **GOOD, betas=[0.9, 0.95], max_grad_norm=1, warmup_steps=1, schedule="cosine", selection="last"
    )
    assert settings.betas == (0.9, 0.95)
    assert settings.lr == GOOD["lr"]
    assert (settings.max_grad_norm, settings.warmup_steps) == (1, 1)


@pytest.mark.parametrize("key", ["epochs", "batch_size", "gradient_accumulation_steps", "eval_batch_size"])
@pytest.mark.parametrize("value", [0, -1, 1.5, "3", None, True])
def test_counts_are_whole_numbers_of_one_or_more(key, value):
    with pytest.raises(RequestError, match=rf"train\.{key}={value} is not accepted"):
        TrainSettings(**GOOD | {key: value})


@pytest.mark.parametrize("value", [-1e-9, math.nan, math.inf, "fast", None, True, [1]])
def test_a_rate_is_a_finite_number_of_zero_or_more(value):
    with pytest.raises(RequestError, match=r"train\.lr\.diag=.* is not accepted"):
        TrainSettings(**GOOD | {"lr": {"diag": value, "head": 1e-3}})


def test_rates_are_those_of_the_roles():
    with pytest.raises(RequestError, match=r"train\.lr\.head is missing: .* diag, head"):
        TrainSettings(**GOOD | {"lr": {"diag": 1e-3}})
    with pytest.raises(RequestError, match=r"train\.lr\.sparse is not known: .* diag, head"):
        TrainSettings(**GOOD | {"lr": GOOD["lr"] | {"sparse": 1e-3}})


@pytest.mark.parametrize(
    ("key", "value", "accepted"),
    [
        ("gradient_accumulation_steps", 17, "a batch of 16 rows"),
        ("weight_decay", -0.1, "0 or more"),
        ("weight_decay", math.nan, "0 or more"),
        ("warmup_steps", 1.1, "a whole number of steps, or a fraction"),
        ("warmup_steps", math.inf, "in [0, 1)"),
        ("last_batch", 1, "a share in [0, 1)"),
        ("last_batch", -0.5, "a share in [0, 1)"),
        ("last_batch", True, "a share in [0, 1)"),
        ("warmup_steps", -0.1, "in [0, 1)"),
        ("betas", [0.9], "two numbers"),
        ("betas", [0.9, 1], "two numbers"),
        ("betas", [0.9, "x"], "two numbers"),
        ("betas", 0.9, "two numbers"),
        ("max_grad_norm", 0, "above 0"),
        ("max_grad_norm", -1, "0 or more"),
        ("max_grad_norm", math.inf, "finite"),
        ("group_by_length", "maybe", "true or false"),
        ("schedule", "cosin", "Did you mean cosine"),
        ("schedule", 5, "constant, cosine, linear"),
        ("precision", "fp8", "Did you mean fp16"),
        ("device", "tpu", "cpu"),
    ],
)
def test_a_bad_value_is_named_with_what_would_do(key, value, accepted):
    with pytest.raises(RequestError) as error:
        TrainSettings(**GOOD | {key: value})
    assert f"train.{key}={value} is not" in str(error.value)
    assert accepted in str(error.value)


def test_an_unknown_selection_is_named_as_it_is_typed():
    with pytest.raises(RequestError, match=r"^selection=holdot is not known\. Did you mean holdout\?"):
        TrainSettings(**GOOD, selection="holdot")
