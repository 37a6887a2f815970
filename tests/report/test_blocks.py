import pytest

from frod_bench.record import identity_of
from frod_bench.report.blocks import blocks, highlighted
from frod_bench.report.summary import summarise


@pytest.fixture
def made(store):
    """Return a function that returns the blocks of runs, each given as method, task and settings."""

    def make(*runs, **changes):
        stored = []
        for method, task, settings in runs:
            known = {"method.name": method, "seed": 0} | settings
            stored.append(store(method, task, settings=known, identity=identity_of(known), **changes))
        [section] = summarise(stored).sections
        return blocks(section)

    return make


def names(block):
    return [(row.task, row.method) for row in block.section.rows]


def test_runs_of_a_task_on_different_rows_are_apart_and_the_largest_block_is_first(made):
    small, large = {"data.max_train": 100}, {}
    found = made(("frod", "a", small), ("lora", "a", large), ("frod", "a", large), ("frod", "b", large))
    assert [(block.data, names(block)) for block in found] == [
        ("default rows", [("a", "frod"), ("a", "lora"), ("b", "frod")]),
        ("max_train=100", [("a", "frod")]),
    ]


def test_rows_that_only_differ_between_tasks_are_one_block(made):
    [block] = made(("frod", "a", {"data.max_train": 100}), ("frod", "b", {"data.max_train": 200}))
    assert (block.data, names(block)) == ("", [("a", "frod"), ("b", "frod")])


def test_a_name_has_what_differs_within_the_block_without_defaults(made):
    large = {"data.max_train": 9, "method.sparsity": 0.1}
    first, second = made(
        ("frod", "a", {"method.sparsity": 0.1}),
        ("frod", "a", {"method.sparsity": 0.1, "method.pattern": "bands"}),
        ("frod", "a", large),
    )
    assert names(first) == [("a", "frod"), ("a", "frod, pattern=bands")]
    assert names(second) == [("a", "frod")]


def test_settings_that_change_together_are_named_once_and_noted(made):
    def way(epochs, schedule):
        return {"train.epochs": epochs, "train.schedule": schedule}

    [block] = made(("frod", "a", way(5, "linear")), ("frod", "a", way(9, "constant")), ("lora", "a", {}))
    assert [name for _, name in names(block)] == ["frod, epochs=5", "frod, epochs=9", "lora"]
    assert block.notes == ["frod: epochs=5 is with schedule=linear; epochs=9 is with schedule=constant."]


def test_a_variant_of_ours_is_always_named(made):
    [block] = made(("frod", "a", {"method.side": "short"}))
    assert names(block) == [("a", "frod, side=short")]


def test_tuned_rates_do_not_name_a_method(made):
    [block] = made(*(("frod", task, {"train.lr.diag": rate}) for task, rate in (("a", 1), ("b", 2))), protocol="fair")
    assert {name for _, name in names(block)} == {"frod"}


def test_the_best_and_the_named_methods_are_highlighted():
    scores = {"vera": 9, "frod, s=1": 3, "frod, s=2": 4, "lora": 1, "dora": 8, "pissa": 2}
    assert highlighted(scores) == {"vera", "frod, s=2", "lora"}
    assert highlighted({"a": 1, "b": 2, "c": 3, "d": 0}) == {"a", "b", "c", "d"}
