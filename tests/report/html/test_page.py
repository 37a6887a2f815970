"""The page as a text: whole, self-contained, and safe whatever the records say."""

import json
import re
from html.parser import HTMLParser

import pytest

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
    curves = data["sections"][0]["rows"][0]["curves"]
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
