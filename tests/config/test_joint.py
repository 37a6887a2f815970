"""One configuration for several tasks: the same whatever their order, and nothing of a task is lost."""

import pytest

from frod_bench.config.catalogue import settings
from frod_bench.config.instantiate import build
from frod_bench.config.joint import joint_config
from frod_bench.errors import RequestError
from frod_bench.grid.continual import compose_sequences

TASKS = ["glue/rte", "glue/mnli"]


@pytest.fixture
def alone():
    def compose(*words, tasks=TASKS, profile="smoke", method="lori"):
        (sequence,) = compose_sequences(list(tasks), [method], profile, "0", list(words))
        return [cell.config for cell in sequence.alone]

    return compose


def test_the_order_of_the_tasks_does_not_matter(alone):
    joint = joint_config(alone())
    assert joint == joint_config(alone()[::-1])
    assert joint["task"]["name"] == "glue/joint-mnli-rte"
    assert joint["method"]["a_of"] == "glue/mnli"
    assert build(joint["task"], "tasks").head_sizes("pair") == [3, 2]


def test_its_identity_has_the_settings_of_each_task_and_no_lists_of_rows(alone):
    found = settings(joint_config(alone()))
    assert found["task.parts.glue/rte.name"] == "glue/rte" and "task.parts.glue/mnli.version" in found
    assert not any(key.startswith(("task.together", "task.rows")) for key in found)
    changed = settings(joint_config(alone("task.metrics=[f1]")))
    assert changed["task.parts.glue/rte.metrics"] == ["f1"] and "task.parts.glue/rte.metrics" not in found


def test_rates_that_differ_are_averaged_and_other_values_refused(alone):
    first, second = alone()
    first["train"]["lr"], second["train"]["lr"] = {"adapter": 1e-4, "head": 2e-3}, {"adapter": 1e-2, "head": 2e-3}
    assert joint_config([first, second])["train"]["lr"] == {"adapter": 1e-3, "head": 2e-3}
    second["train"]["epochs"] = 9
    with pytest.raises(RequestError, match=r"train.epochs, and theirs differ \(9 for mnli, \d for rte\)"):
        joint_config([first, second])


def test_class_names_are_those_of_all_heads(alone):
    tasks = ["vision/svhn", "vision/eurosat"]
    joint = joint_config(alone("backbone.head_init=text", tasks=tasks, profile="paper", method="lora"))
    assert joint["backbone"]["class_names"][:2] == ["annual crop land", "forest"]
    assert joint["backbone"]["class_names"][10:] == [str(digit) for digit in range(10)]
    assert build(joint["task"], "tasks").classes(None) == joint["backbone"]["class_names"]
