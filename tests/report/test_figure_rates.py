import csv

import pytest

from frod_bench.record import identity_of
from frod_bench.record.identity import tuning_settings
from frod_bench.report import figure_rates, figure_rows
from frod_bench.report.style import COLOURS, looks

SCORES = {0.1: [0.6, 0.62], 1: [0.7, 0.74], 10: [0.5, None]}


@pytest.fixture
def found(searched):
    each = [searched("frod", SCORES), searched("lora", {0.1: [0.6, 0.6], 1: [0.5, 0.5], 10: [0.55, 0.5]})]
    runs, trials = ([run for one in each for run in one[part]] for part in (0, 1))
    return runs, trials


def named(points):
    return {(point.method, point.multiplier): point for point in points}


def test_points_have_the_multipliers_of_the_search_and_its_choice(found):
    runs, trials = found
    points = named(figure_rates.points(trials, runs, {}))
    assert sorted(points) == [(method, m) for method in ("frod", "lora") for m in (0.1, 1, 10)]
    assert [key for key, point in points.items() if point.chosen] == [("frod", 1), ("lora", 0.1)]
    assert points["frod", 1].scores == pytest.approx([70, 74])
    assert points["frod", 10].scores == []
    assert points["lora", 1].panel == ("glue/rte", 100)


def test_a_search_that_tells_its_unit_needs_no_middle(found):
    runs, trials = found
    units = {identity_of(tuning_settings(trials[0].record.settings)): {"diag": 1e-4, "head": 1e-3}}
    points = named(figure_rates.points(trials, runs, units))
    assert sorted(m for method, m in points if method == "frod") == [1, 10, 100]
    assert sorted(m for method, m in points if method == "lora") == [0.1, 1, 10]


def test_variants_of_a_method_are_lines_of_their_own(searched):
    _, trials = searched("frod", SCORES)
    settings = trials[0].record.settings
    for trial in trials[:2]:
        trial.record.settings = settings | {"method.sparsity": 0.1, "seed": trial.record.seed}
    methods = {point.method for point in figure_rates.points(trials, [], {})}
    assert methods == {"frod, sparsity=0.1", "frod, sparsity=default"}


def test_the_figure_and_its_data(found, tmp_path):
    runs, trials = found
    files = figure_rates.draw(figure_rates.points(trials, runs, {}), "profile smoke", tmp_path)
    assert [file.name for file in files] == ["rates.png", "rates.svg", "rates.csv"]
    picture = files[1].read_text()
    for words in ("Held-out score against the rate multiplier, 2 seeds a trial", "glue/rte, 100 rows", "frod", "lora"):
        assert words in picture
    rows = list(csv.DictReader(files[2].open()))
    assert len(rows) == 6
    lost = next(row for row in rows if (row["method"], row["multiplier"]) == ("frod", "10.0"))
    assert (lost["score"], lost["lowest"], lost["chosen"]) == ("diverged", "", "no")
    assert [row["chosen"] for row in rows].count("yes") == 2


def test_lines_are_by_training_rows_and_only_of_tuned_runs(searched, store, tmp_path):
    runs = [store("frod")]
    for rows, best in ((100, 0.6), (300, 0.7)):
        runs += [run for m in ("frod", "lora") for run in searched(m, {1: [0.5]}, rows=rows, best=best)[0]]
    lines = figure_rows.lines(runs)
    assert {place: sorted(by_rows) for place, by_rows in lines.items()} == {
        ("glue/rte", "frod"): [100, 300],
        ("glue/rte", "lora"): [100, 300],
    }
    files = figure_rows.draw(lines, "profile smoke", tmp_path)
    rows = [
        (row["method"], row["training_rows"], row["seeds"], row["score"]) for row in csv.DictReader(files[2].open())
    ]
    assert rows[:2] == [("frod", "100", "2", "60.0"), ("frod", "300", "2", "70.0")]
    assert "number of training rows, 2 seeds a point" in files[1].read_text()


def test_a_method_has_one_colour_in_every_figure():
    alone, together = looks(["lora"]), looks(["another", "dora", "frod", "lora"])
    assert alone["lora"] == together["lora"]
    assert len({look["color"] for look in together.values()}) == 4
    variants = looks(["frod, sparsity=0.1", "frod, sparsity=0.2", "full_ft"])
    assert [look["color"] for look in variants.values()] == [COLOURS[0], COLOURS[0], COLOURS[1]]
    assert len({(look["marker"], look["linestyle"]) for look in variants.values()}) == 3
    others = [f"peft_{number}" for number in range(len(COLOURS))]
    assert len({look["color"] for look in looks(others).values()}) == len(COLOURS)
    assert looks(others[:1])[others[0]]["color"] == looks([others[0], "frod"])[others[0]]["color"]
    several = looks(["frod", "frod, lora"])  # one merged model
    assert several["frod"]["color"] == COLOURS[0] != several["frod, lora"]["color"]


def test_what_a_broken_record_leaves_out_is_no_crash(searched, tmp_path):
    _, trials = searched("frod", SCORES)
    trials[0].record.settings = trials[0].record.settings | {"train.lr.head": "high", "seed": 7}
    trials[-1].record.samples = {}
    drawn = figure_rates.points(trials, [], {})
    assert [point.multiplier for point in drawn] == [0.1, 1, 10]
    assert figure_rates.draw(drawn, "profile smoke", tmp_path)
