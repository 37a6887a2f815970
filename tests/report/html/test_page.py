"""The page as a text: whole, self-contained, and safe whatever the records say."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from frod_bench.record import identity_of
from frod_bench.report.html.page import page
from frod_bench.report.summary import Summary, summarise

VOID = {"meta", "link", "input", "br", "img", "hr"}


class Elements(HTMLParser):
    """Collects the tags with their attributes and complains about one that is closed in the wrong place."""

    def __init__(self, text):
        super().__init__()
        self.open, self.found, self.data = [], [], {}
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, text):
        if self.open and self.open[-1][1].get("id"):
            self.data[self.open[-1][1]["id"]] = text


@pytest.fixture
def summary(store):
    runs = [store(m, task, seed) for m in ("frod", "lora") for task in ("glue/rte", "glue/sst2") for seed in (0, 1)]
    return summarise([*runs, store("vera", status="failed", error="out of memory", folder="failed")])


def test_nothing_is_loaded_from_elsewhere(summary):
    text = page(summary, "title")
    for _, attributes in Elements(text).found:
        assert not {"src", "action", "srcset"} & attributes.keys()
        assert attributes.get("href", "#")[0] == "#" or attributes["href"] == "data:,"
    assert "url(" not in text and "@import" not in text
    assert re.findall(r"https?://[^\"' ]+", text) == ["http://www.w3.org/2000/svg"]


def test_the_data_is_json_and_has_every_run(summary):
    data = json.loads(Elements(page(summary, "title")).data["data"])
    assert len(data["runs"]) == 8
    run = data["runs"][0]
    assert (run["task"], run["method"], run["seed"]) == ("glue/rte", "frod", 0)
    assert run["epochs"][1] == {"epoch": 2, "angle": [0.2, 0.0, 1.0], "layers": []}
    [point, _] = data["blocks"][0]["tasks"]["glue/rte"]
    assert (point["method"], point["lit"], point["seeds"]) == ("frod", True, 2)
    assert [point["method"] for point in data["blocks"][0]["means"]] == ["frod", "lora"]
    curves = point["curves"]
    assert [point[0] for point in curves["score"]] == [point[0] for point in curves["loss"]] == [1, 2, 3]
    assert "method.name" in run["config"] and "method.name" not in data["common"]
    assert data["common"]["data.fingerprint"] == "sha256:00"


def test_tan_alpha_by_layer_is_in_the_data(store):
    run = store(layers={"l.0.q": 0.1, "l.1.q": 0.3})
    data = json.loads(Elements(page(summarise([run]), "t")).data["data"])
    assert data["runs"][0]["layers"] == ["l.0.q", "l.1.q"]
    assert data["runs"][0]["epochs"][0]["layers"] == [0.1, 0.3]


def test_a_selection_of_the_last_epoch_shows_it(store):
    text = page(summarise([store(task=task, selection="last") for task in ("glue/rte", "glue/sst2")]), "title")
    assert "which this selection does not report. final: the last epoch." in text
    assert "final, mean over the seeds" in text
    matrix = text[text.index('data-table="matrix"') :]
    assert "61.00" in matrix[: matrix.index("</table>")] and "62.00" not in matrix[: matrix.index("</table>")]


def test_cells_carry_the_value_they_are_sorted_by(store):
    found = Elements(page(summarise([store()]), "title")).found  # one seed has no deviation
    values = [attributes["data-value"] for tag, attributes in found if tag == "td" and "data-value" in attributes]
    assert "184330" in values and "" in values


def test_the_matrix_has_an_average_only_where_every_task_was_run(store):
    runs = [store("frod", "glue/rte"), store("frod", "glue/sst2"), store("lora", "glue/rte")]
    text = page(summarise(runs), "title")
    assert "Every method on every task" in text and "average" in text
    assert "Every method on every task" not in page(summarise(runs[:1]), "title")


def test_other_metrics_have_a_table_where_a_task_has_any(store):
    runs = [store("frod", "glue/mrpc", others={"f1": 0.81}), store("lora", "glue/rte")]
    assert "glue/mrpc f1" in page(summarise(runs), "title")
    assert "Other metrics" not in page(summarise(runs[1:]), "title")


def test_runs_that_did_not_complete_are_named_with_their_error(summary):
    text = page(summary, "title")
    assert "did not complete" in text and "out of memory" in text


def test_what_records_say_is_shown_as_text(store):
    hostile = "</script><img onerror=alert(1)>"
    run = store("frod", data={"source": "packaged", "note": hostile}, task=hostile, folder="hostile")
    text = page(summarise([run]), hostile)
    assert "<img" not in text
    assert text.count("</script>") == 2
    assert json.loads(Elements(text).data["data"])["runs"][0]["task"] == hostile


def test_a_summary_without_completed_runs_is_a_page_too(store):
    text = page(summarise([store(status="failed", error="NaN")]), "title")
    assert "0 completed runs" in text
    assert page(Summary(), "title")


def test_the_summary_names_the_best_what_was_run_and_what_is_missing(store, predicted):
    right = np.random.default_rng(0).random((3, 800)) < 0.9
    runs = [*predicted("frod", right), *predicted("vera", right & (np.arange(800) % 5 > 0))]
    runs += [
        store(method, "glue/sst2", seed, best=0.5)
        for method in ("frod", "lora")
        for seed in range(3 - (method == "lora"))
    ]
    text = " ".join(page(summarise(runs), "title").split())
    text = text[text.index('id="summary"') : text.index('id="tables"')]
    assert "2 tasks × 3 methods, 2 to 3 seeds" in text
    assert "<b>better than</b> vera" in text
    assert '<b class="unpaired">unpaired</b> level with lora' in text
    assert "Not run: vera on glue/sst2." in text and "Not run: lora on glue/rte." in text
    assert "Fewer than 3 seeds: lora on glue/sst2 (2)." in text
    assert "5 of 11 runs do not have predictions" in text


def test_runs_on_other_rows_are_in_a_block_of_their_own(store):
    def run(method, rows, seed=0):
        settings = {"method.name": method, "seed": seed, "data.max_train": rows}
        return store(method, seed=seed, settings=settings, identity=identity_of(settings))

    data = json.loads(
        Elements(page(summarise([run(m, n) for m in ("frod", "lora") for n in (10, 20)]), "t")).data["data"]
    )
    assert [block["name"].rpartition(", ")[2] for block in data["blocks"]] == ["max_train=10", "max_train=20"]
    assert [[row["method"] for row in block["tasks"]["glue/rte"]] for block in data["blocks"]] == [["frod", "lora"]] * 2


def test_the_summary_leaves_the_predictions_of_very_many_runs_alone(predicted, monkeypatch):
    runs = [run for method in ("frod", "vera") for run in predicted(method, np.ones((2, 8)))]
    monkeypatch.setattr("frod_bench.report.html.page._MOST_READ", 3)
    assert "too many runs to read their predictions" in page(summarise(runs), "title")
