"""`method.pattern_of`: a task's own slot, and no other identity for runs without it."""

import hydra
import pytest
from hydra.core.global_hydra import GlobalHydra

from frod_bench.config.catalogue import choices, settings
from frod_bench.config.instantiate import build_method
from frod_bench.config.overrides import as_request_error
from frod_bench.config.paths import config_dir
from frod_bench.config.recipe import register_resolvers
from frod_bench.config.resolve import resolve


@pytest.fixture
def composed():
    """Return a function from overrides to a resolved configuration."""

    def compose(*words):
        register_resolvers()
        GlobalHydra.instance().clear()
        with hydra.initialize_config_dir(str(config_dir()), version_base="1.3"):
            return resolve(hydra.compose("config", ["profile=smoke", *words]))

    return compose


def test_tasks_of_a_suite_have_different_slots(composed):
    tasks = [task for task in choices("task") if task.startswith("vision/")]
    slots = [composed(f"method.pattern_of={task}")["method"]["pattern_slot"] for task in tasks]
    assert slots == list(range(len(tasks)))


def test_without_it_nothing_is_counted(composed):
    assert not any("pattern" in key for key in settings(composed()))
    assert settings(composed("method.pattern_of=glue/rte"))["method.pattern_of"] == "glue/rte"


def test_the_method_gets_the_slot(composed):
    assert build_method(composed("method.pattern_of=glue/cola")["method"]).pattern_slot == 0


def test_an_unknown_task_is_refused(composed):
    with pytest.raises(Exception, match="registered task") as raised:
        composed("method.pattern_of=glue/rtee")
    assert "glue/rte" in str(as_request_error(raised.value, []))
