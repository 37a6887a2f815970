"""The table of merged models: every value stands under its own column, with and without several draws."""

import pytest
from matplotlib.axes import Axes

from frod_bench.config.paths import paper_dir
from frod_bench.record.merge_record import MergeRecord
from frod_bench.report.merges import draw, merge_tables
from frod_bench.report.style import looks


def merge(draws=None):
    result = {"task": "glue/rte", "method": "frod", "seed": 2, "metric": "accuracy", "single": 0.8, "merged": 0.6}
    return MergeRecord(
        how="dare",
        scale=0.3,
        density=0.1,
        seed=0,
        setting={"profile": "offline"},
        results=[result | {"draws": draws}, result | {"task": "glue/cola", "single": 0.4, "merged": 0.2}],
    )


def by_column(table):
    return [dict(zip((column.name for column in table.columns), row, strict=True)) for row in table.rows]


def test_one_draw_has_no_deviation():
    (table,) = merge_tables([merge()], paper_dir())
    first, second, mean = by_column(table)
    assert "sd" not in first
    assert (first["alone"], first["merged"], first["share"]) == (0.8, 0.6, pytest.approx(0.75))
    assert (second["task"], second["share"]) == ("glue/cola", 0.5)
    assert (mean["task"], mean["alone"], mean["merged"]) == ("mean", pytest.approx(0.6), pytest.approx(0.4))
    assert mean["share"] == pytest.approx((0.75 + 0.5) / 2) and mean["seed"] is None


def test_several_draws_have_a_mean_and_a_deviation():
    (table,) = merge_tables([merge(draws=[0.6, 0.4])], paper_dir())
    first, second, mean = by_column(table)
    assert first["merged"] == pytest.approx(0.5) and first["sd"] == pytest.approx(0.1 * 2**0.5)
    assert first["share"] == pytest.approx(0.5 / 0.8)
    assert second["sd"] is None and mean["sd"] is None
    assert mean["share"] == pytest.approx((0.5 / 0.8 + 0.5) / 2)


def test_a_merge_is_called_by_its_label_else_by_its_methods():
    record = merge()
    assert record.name == "frod"
    record.label = "FRoD per task"
    (table,) = merge_tables([record], paper_dir())
    assert by_column(table)[-1]["method"] == "FRoD per task"


def test_a_label_has_the_colour_of_its_method(tmp_path, monkeypatch):
    drawn = {}
    plot = Axes.plot
    monkeypatch.setattr(
        Axes, "plot", lambda self, *xy, **look: drawn.update({look["label"]: look}) or plot(self, *xy, **look)
    )
    first, second = merge(), merge()
    second.label = "FRoD per task"
    draw([first, second], tmp_path)
    assert drawn["frod"]["color"] == drawn["FRoD per task"]["color"] == looks(["frod"])["frod"]["color"]
    assert drawn["frod"] != drawn["FRoD per task"] | {"label": "frod"}


def test_several_merges_have_their_means_first():
    records = [merge(), merge(), merge()]
    records[1].results = [result | {"merged": 0.2} for result in records[1].results]
    records[2].how = "ties"
    means, table = merge_tables(records, paper_dir())
    dare, ties = by_column(means)
    assert (dare["how"], dare["method"], dare["merges"], ties["merges"]) == ("dare", "frod", 2, 1)
    assert dare["alone"] == pytest.approx(0.6)
    assert dare["merged"] == pytest.approx((0.6 + 0.2 + 0.2 + 0.2) / 4)
    assert dare["share"] == pytest.approx((0.6 / 0.8 + 0.2 / 0.4 + 0.2 / 0.8 + 0.2 / 0.4) / 4)
    assert len(table.rows) == 9
