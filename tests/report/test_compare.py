import math
from decimal import Decimal

import pytest

from frod_bench.report.compare import TableSlice, compare, half_interval, rank_agreements
from frod_bench.report.paper import PaperTable

SCORES = {
    "LoRA": {"RTE": "84.00", "MRPC": "83.00", "Average": "83.50"},
    "VeRA": {"RTE": "75.00", "MRPC": "86.00", "Average": "80.50"},
    "FRoD": {"RTE": "62.00", "MRPC": "90.00", "Average": "76.00"},
}
PAPER = PaperTable(
    "table4",
    "roberta_large",
    ("RTE", "MRPC", "Average"),
    {row: {column: Decimal(value) for column, value in scores.items()} for row, scores in SCORES.items()},
    frozenset({"LoRA"}),
    {"LoRA": Decimal("4.00")},
)
ALL = TableSlice(("LoRA", "VeRA", "FRoD"), ("RTE", "MRPC"))
REAL = {"profile": "paper", "backbone": "roberta_large", "data": {"source": "hub", "revision": "1"}}


def cells(measured, wanted=ALL, paper=PAPER):
    return {(cell.row, cell.column): cell for cell in compare(paper, measured, wanted)}


@pytest.fixture
def seeds(store):
    """Return a function that stores runs of one cell, one for each score."""

    def write(*scores, task="glue/rte", **changes):
        content = {**REAL, **changes}
        return [store(task=task, seed=n, best=score, final=score - 0.01, **content) for n, score in enumerate(scores)]

    return write


def test_half_an_interval_is_students():
    assert half_interval([1.0, 2.0, 3.0]) == pytest.approx(4.302653 / math.sqrt(3), rel=1e-5)
    assert half_interval([1.0]) is None


def test_a_cell_has_mean_interval_difference_and_the_last_epoch(seeds):
    cell = cells({"FRoD": {"RTE": seeds(0.60, 0.62, 0.64)}})["FRoD", "RTE"]
    assert cell.mean == pytest.approx(62.0)
    assert cell.interval == pytest.approx(4.302653 * 2 / math.sqrt(3), rel=1e-5)
    assert cell.difference == pytest.approx(0.0)
    assert cell.final == pytest.approx({0: 59.0, 1: 61.0, 2: 63.0})
    assert cell.sampling == pytest.approx(196 * math.sqrt(0.62 * 0.38 / 277), rel=1e-4)
    assert (cell.trainable, cell.verdict) == (0.81, "reproduced")


@pytest.mark.parametrize(
    ("scores", "verdict"),
    [
        ((0.62 + 0.055,), "reproduced"),  # 1.96 standard errors of 277 rows are 5.7 points
        ((0.62 + 0.060,), "differs"),
        ((0.62 - 0.060,), "differs"),
        ((0.66, 0.70), "differs"),  # two seeds 4 points apart: their interval of 25 points does not count
        ((0.60, 0.69, 0.78), "reproduced"),  # three seeds: 22 points
        ((0.68, 0.68, 0.681), "differs"),
    ],
)
def test_the_larger_of_two_errors_decides(seeds, scores, verdict):
    assert cells({"FRoD": {"RTE": seeds(*scores)}})["FRoD", "RTE"].verdict == verdict


@pytest.mark.parametrize(
    ("row", "changes", "verdict"),
    [
        ("FRoD", {"profile": "offline"}, "not comparable"),
        ("FRoD", {"backbone": "minilm"}, "not comparable"),
        ("FRoD", {"protocol": "goat"}, "other protocol"),
        ("LoRA", {}, "other protocol"),
        ("FRoD", {"data": {"source": "local", "note": "not the official number of rows"}}, "other data"),
        ("FRoD", {"selection": "holdout"}, "other data"),
    ],
)
def test_another_experiment_gets_no_verdict(seeds, row, changes, verdict):
    assert cells({row: {"RTE": seeds(0.62, **changes)}})[row, "RTE"].verdict == verdict


def test_quoted_rows_get_a_verdict_under_their_own_protocol(seeds):
    assert cells({"LoRA": {"RTE": seeds(0.84, protocol="goat")}})["LoRA", "RTE"].verdict == "reproduced"


def test_one_model_for_several_tasks_is_no_match_for_a_model_of_one(seeds):
    def verdict(row, protocol):
        runs = {row: {"RTE": seeds(0.62, task="commonsense/boolq", protocol=protocol)}}
        return cells(runs)[row, "RTE"].verdict

    assert [verdict("LoRA", protocol) for protocol in ("goat", "paper", "released")] == ["other protocol"] * 3
    assert [verdict("FRoD", protocol) for protocol in ("paper", "released")] == ["other protocol", "reproduced"]


def test_the_score_is_the_last_epochs_where_the_selection_reports_it(seeds):
    runs = {"FRoD": {"RTE": seeds(0.70, 0.70, selection="last")}}
    cell = cells(runs)["FRoD", "RTE"]
    assert cell.ours == pytest.approx({0: 69.0, 1: 69.0})
    assert cell.final == cell.ours


def test_overridden_settings_are_another_protocol(seeds):
    wanted = TableSlice(ALL.rows, ALL.columns, overridden=True)
    assert cells({"FRoD": {"RTE": seeds(0.62)}}, wanted)["FRoD", "RTE"].verdict == "other protocol"


def test_texts_cut_by_the_protocol_are_the_paper_s_data(seeds):
    data = {"source": "hub", "cut": "texts cut to 128 tokens: train 3 of 2490"}
    assert cells({"FRoD": {"RTE": seeds(0.62, data=data)}})["FRoD", "RTE"].verdict == "reproduced"


def test_a_part_of_the_rows_is_other_data(seeds):
    wanted = TableSlice(ALL.rows, ALL.columns, whole_data=False)
    assert cells({"FRoD": {"RTE": seeds(0.62)}}, wanted)["FRoD", "RTE"].verdict == "other data"


def test_what_was_not_run_is_there_and_empty():
    every = cells({})
    assert len(every) == 9
    assert {cell.verdict for cell in every.values()} == {"not run"}
    assert {cell.mean for cell in every.values()} == {None}
    assert every["LoRA", "RTE"].paper == 84.0


def test_the_margin_of_an_average_is_that_of_its_columns(seeds):
    measured = {"FRoD": {"RTE": seeds(0.60), "MRPC": seeds(0.90, task="glue/mrpc")}}
    average = cells(measured)["FRoD", "Average"]
    assert average.margin == pytest.approx(196 * math.sqrt((0.62 * 0.38 + 0.9 * 0.1) / 277) / 2, rel=1e-4)
    assert cells({})["FRoD", "Average"].margin is None


def test_an_average_is_over_the_seeds_that_all_columns_have(seeds):
    measured = {"FRoD": {"RTE": seeds(0.60, 0.62), "MRPC": seeds(0.90, task="glue/mrpc")}}
    average = cells(measured)["FRoD", "Average"]
    assert average.ours == pytest.approx({0: 75.0})
    assert cells({"FRoD": {"RTE": measured["FRoD"]["RTE"]}})["FRoD", "Average"].verdict == "not run"


def test_the_papers_average_is_computed_from_its_columns():
    wrong = PAPER.scores | {"FRoD": PAPER.scores["FRoD"] | {"Average": Decimal("99.00")}}
    paper = PaperTable("table4", "roberta_large", PAPER.columns, wrong, PAPER.cited, {})
    assert cells({}, paper=paper)["FRoD", "Average"].paper == 76.0


def test_a_column_can_be_the_mean_over_tasks_at_an_epoch(seeds):
    scores = {"FRoD": {"epoch 2": Decimal("75.00"), "epoch 9": Decimal("80.00")}}
    paper = PaperTable("table5", "roberta_large", ("epoch 2", "epoch 9"), scores, frozenset(), {})
    measured = {"FRoD": {"RTE": seeds(0.60), "MRPC": seeds(0.90, task="glue/mrpc")}}
    found = cells(measured, TableSlice(("FRoD",), ("RTE", "MRPC"), (2, 9)), paper)
    assert found["FRoD", "epoch 2"].ours == pytest.approx({0: 75.0})
    assert found["FRoD", "epoch 2"].final == {}
    assert found["FRoD", "epoch 9"].verdict == "not run"  # three epochs were run
    part = cells(measured, TableSlice(("FRoD",), ("RTE",), (2,), whole_table=False), paper)
    assert (part["FRoD", "epoch 2"].paper, part["FRoD", "epoch 2"].verdict) == (None, "other data")


def test_rankings_agree_or_do_not(seeds):
    def ranked(*scores):
        measured = {row: {"RTE": seeds(score)} for row, score in zip(SCORES, scores, strict=True)}
        return rank_agreements(compare(PAPER, measured, TableSlice(ALL.rows, ("RTE",))))

    (same,) = ranked(0.9, 0.8, 0.7)
    assert (same.tau, same.methods, same.best_paper, same.best_ours) == (1.0, 3, "LoRA", "LoRA")
    (opposite,) = ranked(0.7, 0.8, 0.9)
    assert (opposite.tau, opposite.best_ours) == (-1.0, "FRoD")
    assert ranked(0.7, 0.7, 0.7) == []
    sums = {"LoRA": (146, 146, 140), "VeRA": (144, 142, 146), "FRoD": (100, 100, 100)}  # two equal ones
    tied = {row: {"RTE": seeds(*(k / 175 for k in right))} for row, right in sums.items()}
    (half,) = rank_agreements(compare(PAPER, tied, TableSlice(ALL.rows, ("RTE",))))
    assert half.tau == pytest.approx(2 / math.sqrt(6))
    two = {"LoRA": {"RTE": seeds(0.7)}, "VeRA": {"RTE": seeds(0.8)}}
    assert rank_agreements(compare(PAPER, two, ALL)) == []
