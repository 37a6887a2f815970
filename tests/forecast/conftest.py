"""A resolved configuration, as far as a forecast reads it."""

import pytest

from frod_bench.config.catalogue import read_group

BACKBONES = read_group("backbone")
TASKS = read_group("task")


def _config(method="lora", backbone="roberta_large", task="glue/rte", train=(), data=(), **options):
    settings = {
        "epochs": 5,
        "batch_size": 64,
        "gradient_accumulation_steps": 1,
        "group_by_length": False,
        "eval_batch_size": 64,
    }
    return {
        "method": {"name": method, "description": "x", **options},
        "backbone": BACKBONES[backbone],
        "task": dict(TASKS[task]),
        "data": {"source": "hub", "root": None, "max_train": None, "max_eval": None, "max_row_bytes": 2**24}
        | dict(data),
        "text": {"max_length": 256, "eval_max_length": None, "format": "pair"},
        "selection": "best_on_eval",
        "train": settings | {"precision": "no"} | dict(train),
    }


@pytest.fixture
def config():
    """Returns a function that makes a configuration."""
    return _config
