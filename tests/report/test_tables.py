import csv
import io

import pytest

from frod_bench.report.summary import summarise
from frod_bench.report.tables import to_csv, to_markdown, to_text


def cells(text, word):
    """Return the cells of the first Markdown row that holds the word."""
    line = next(line for line in text.splitlines() if word in line and line.startswith("|"))
    return [cell.strip() for cell in line.strip("|").split(" | ")]


@pytest.fixture
def summary(store):
    return summarise(
        [
            store(seed=0, best=0.60),
            store(seed=1, best=0.62),
            store(method="full_ft", task="glue/sst2", tan_alpha=None),
            store(method="pissa", status="failed", error="no | memory\nleft", best=0.9),
        ]
    )


def test_markdown_has_scores_in_percent_and_a_dash_for_what_is_absent(summary):
    text = to_markdown(summary)
    assert cells(text, "glue/rte") == [
        "glue/rte", "frod", "2", "61.00 ± 1.41", "61.00 ± 0.00", "184,330", "0.81", "0.3", "20.0", "500",
    ]  # fmt: skip
    assert cells(text, "glue/sst2 |")[3:8] == ["62.00", "61.00", "184,330", "0.81", "—"]


def test_every_table_says_its_setting_and_which_score_it_shows(summary):
    for text in (to_text(summary), to_markdown(summary)):
        assert "profile offline, protocol released, backbone minilm" in text
        assert "best: the best epoch on the evaluation split" in text
        assert "final: the last epoch" in text


def test_a_held_out_selection_is_not_called_best_on_the_evaluation_split(store):
    text = to_text(summarise([store(selection="holdout")]))
    assert "best on held-out training rows" in text
    assert "evaluation split" not in text


def test_a_selection_of_the_last_epoch_shows_it(store):
    metrics = {"accuracy": 0.55, "f1": 0.44}
    final = {"value": 0.55, "epoch": 3, "metrics": metrics}
    runs = [store(task=task, selection="last", others={"f1": 0.66}) for task in ("glue/mrpc", "glue/rte")]
    for run in runs:
        run.record.final = final
    text = to_markdown(summarise(runs))
    assert "which this selection does not report" in text
    matrix = text[text.index("Final, every method") :]
    assert cells(matrix, "frod") == ["frod", "55.00", "55.00"]
    assert cells(text[text.index("Other metrics") :], "frod") == ["frod", "44.00", "44.00"]


def test_several_tasks_give_a_matrix_of_methods_by_tasks(summary, store):
    text = to_markdown(summary)
    matrix = text[text.index("Best, every method") :]
    assert cells(matrix, "glue/sst2") == ["method", "glue/rte", "glue/sst2"]
    assert cells(matrix, "frod") == ["frod", "61.00 ± 1.41", "—"]
    assert "Best, every method" not in to_text(summarise([store()]))


def test_a_second_metric_has_a_matrix_and_a_csv_column_of_its_own(store, summary):
    def with_f1(seed, f1):
        return store(seed=seed, task="glue/mrpc", others={"f1": f1})

    both = summarise([with_f1(0, 0.80), with_f1(1, 0.82), store(task="glue/rte")])
    text = to_markdown(both)
    matrix = text[text.index("Other metrics") :]
    assert cells(matrix, "method") == ["method", "glue/mrpc f1"]
    assert cells(matrix, "frod") == ["frod", "81.00 ± 1.41"]
    rows = {row["task"]: row["other_metrics"] for row in csv.DictReader(io.StringIO(to_csv(both)))}
    assert rows == {"glue/mrpc": "f1=81.00", "glue/rte": ""}
    assert "Other metrics" not in to_text(summary)


def test_incomplete_runs_are_listed_with_their_error_on_one_line(summary):
    row = cells(to_markdown(summary), "pissa")
    assert row[:6] == ["glue/rte", "pissa", "0", "failed", "3", r"no \| memory left"]
    assert "90.00" not in to_text(summary)


def test_csv_has_one_plain_line_a_row(summary):
    rows = list(csv.DictReader(io.StringIO(to_csv(summary))))
    assert [(row["task"], row["method"], row["seeds"]) for row in rows] == [
        ("glue/rte", "frod", "2"),
        ("glue/sst2", "full_ft", "1"),
    ]
    assert (rows[0]["best_mean"], rows[0]["best_std"], rows[0]["trainable"]) == ("61.00", "1.41", "184330")
    assert (rows[1]["best_std"], rows[1]["tan_alpha"]) == ("", "")
    assert rows[0]["peak_memory_mib"] == "500.0"


def test_a_row_names_the_records_behind_it(store):
    runs = [store(seed=seed) for seed in (0, 1)]
    (row,) = csv.DictReader(io.StringIO(to_csv(summarise(runs))))
    assert row["records"].split() == [run.record.digest.removeprefix("sha256:")[:12] for run in runs]
