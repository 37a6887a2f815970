from statistics import stdev

import pytest

from frod_bench.report.html.page import page
from frod_bench.report.summary import summarise
from frod_bench.report.tables import to_text


def rows_of(*runs):
    [section] = summarise(list(runs)).sections
    return section.rows


def test_seeds_become_one_row_with_mean_and_sample_deviation(store):
    best = (0.60, 0.62, 0.67)
    runs = [
        store(seed=seed, best=value, final=0.6, seconds=10.0 + seed, tan_alpha=0.1 + 0.1 * seed)
        for seed, value in enumerate(best)
    ]
    [row] = rows_of(*runs)
    assert (row.task, row.method, row.seeds, row.trainable) == ("glue/rte", "frod", 3, 184_330)
    assert row.best.mean == pytest.approx(0.63)
    assert row.best.std == pytest.approx(stdev(best))
    assert tuple(row.final) == pytest.approx((0.6, 0.0))
    assert row.s_per_epoch == pytest.approx(11.0)
    assert row.tan_alpha == pytest.approx(0.6)
    assert row.peak_bytes == 500 * 2**20


def test_a_single_seed_has_no_spread(store):
    [row] = rows_of(store())
    assert row.best == (0.62, None)


def test_what_was_not_measured_is_none(store):
    [row] = rows_of(store(tan_alpha=None, seconds=None, memory={"peak_bytes": None, "kind": "rss"}))
    assert (row.tan_alpha, row.s_per_epoch, row.peak_bytes) == (None, None, None)


@pytest.mark.parametrize(
    "change",
    [
        {"profile": "paper"},
        {"protocol": "goat"},
        {"backbone": "roberta_large"},
        {"selection": "holdout"},
        {"data": {"source": "local"}},
    ],
)
def test_different_settings_never_share_a_table(store, change):
    summary = summarise([store(), store(seed=1, **change)])
    assert [row.seeds for section in summary.sections for row in section.rows] == [1, 1]
    assert len({str(section.setting) for section in summary.sections}) == 2


def test_variants_of_a_method_are_rows_of_their_own_named_alike_on_every_task(store):
    rows = rows_of(
        store(sparsity=0.02), store(sparsity=0.1), store(sparsity=0.02, seed=1), store(task="glue/sst2"),
        store(method="lora"),
    )  # fmt: skip
    assert [(row.task, row.method, row.seeds) for row in rows] == [
        ("glue/rte", "frod, sparsity=0.02", 2),
        ("glue/rte", "frod, sparsity=0.1", 1),
        ("glue/rte", "lora", 1),
        ("glue/sst2", "frod, sparsity=0.02", 1),
    ]


def test_recipes_that_differ_between_tasks_are_no_variants(store):
    assert {row.method for row in rows_of(store(), store(task="glue/sst2"))} == {"frod"}


def test_incomplete_runs_stay_out_of_the_rows_but_are_kept(store):
    failed = store(seed=1, status="failed", error="the loss is NaN", best=0.9)
    running = store(seed=2, status="running", best=0.9)
    summary = summarise([store(), failed, running])
    assert summary.sections[0].rows[0].best.mean == 0.62
    assert summary.incomplete == [failed, running]


def test_the_same_seed_twice_counts_once_and_is_told(store):
    summary = summarise([store(folder="a"), store(folder="b", best=0.9)])
    assert (summary.sections[0].rows[0].seeds, summary.sections[0].rows[0].best.mean) == (1, 0.62)
    [warning] = summary.warnings
    assert "repeats" in warning


def test_the_training_and_evaluation_rows_of_every_task_are_reported(store):
    few = store(task="glue/sst2", seed=1, samples={"train": 1000, "eval": 872})
    many = store(task="glue/sst2", samples={"train": 67349, "eval": 872})
    [section] = summarise([store(), few, many]).sections
    assert section.row_counts == "glue/rte 2,490 and 277; glue/sst2 1,000 and 872 or 67,349 and 872"
    assert section.row_counts in to_text(summarise([store(), few, many])).replace("\n", " ")
    assert section.row_counts in page(summarise([store(), few, many]), "title")


def test_remarks_about_the_data_are_kept_once(store):
    data = {"source": "packaged", "note": "not the split of the paper"}
    cut = "texts cut to 8 tokens: train 1 of 2"
    words = "prompts worded otherwise"
    [section] = summarise([store(data=data | {"cut": cut, "wording": words}, seed=2)]).sections
    assert section.notes == ["not the split of the paper", words, cut]
    [section] = summarise([store(data=data), store(seed=1, data=data)]).sections
    assert section.notes == ["not the split of the paper"]
    [section] = summarise([store(data=data), store(data={"source": "packaged"}, task="glue/sst2")]).sections
    assert section.notes == ["glue/rte: not the split of the paper"]
