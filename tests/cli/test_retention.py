"""`frod-bench retention`: bodies that did not move keep all, results are kept, and what does not fit is refused."""

import json

import pytest

from frod_bench.errors import RequestError
from frod_bench.record.retention_record import read_retention

ROWS = ["data.max_train=40", "data.max_eval=30"]


@pytest.fixture
def trained(made):
    """Train on RTE; return the folder above the runs."""
    words = ("profile=smoke", "task=glue/rte", "train.epochs=1", "data.max_eval=20", "data.max_train=64")
    return lambda *more: str(made(*words, *more))


def test_a_body_that_did_not_move_keeps_all(trained, bench, tmp_path):
    folder = trained("method=lora", "train.lr.adapter=0.0")
    trained("method=frod", "train.lr.diag=0.3", "train.lr.sparse=0.3")
    code, out, err = bench("retention", folder, "--task", "glue/cola", "--to", "kept", *ROWS)
    assert code == 0, err
    record = read_retention(tmp_path / "kept/retention.json")
    kept = {result["method"]: result for result in record.results}
    assert kept["lora"]["retained"] == record.base and kept["lora"]["trained_on"] == "glue/rte"
    assert (record.rows, record.head_rows, record.metric) == (30, 40, "accuracy")
    assert "Kept of glue/cola" in out and "frod" in out and "glue/cola after glue/rte" in out
    assert {"retention.md", "retention.png", "retention.csv"} <= {file.name for file in (tmp_path / "kept").iterdir()}

    trained("method=vera")
    (tmp_path / "kept/retention.md").unlink()
    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "kept").glob("predictions-*")}
    base = next(file for file in before if "base" in file.name)
    code, out, _ = bench("retention", folder, "--task", "glue/cola", "--to", "kept", *ROWS)
    assert code == 0 and "vera tuned on" in out and "frod tuned on" not in out
    assert all(file.stat().st_mtime_ns == time for file, time in before.items() if file != base)
    again = read_retention(tmp_path / "kept/retention.json")
    assert len(again.results) == 3 and all(result in again.results for result in record.results)


def test_other_rows_are_scored_anew(trained, bench, tmp_path):
    folder = trained("method=lora")
    bench("retention", folder, "--task", "glue/cola", "--to", "kept", *ROWS)
    code, out, _ = bench("retention", folder, "--task", "glue/cola", "--to", "kept", "data.max_eval=25")
    assert code == 0 and "lora tuned on" in out
    assert read_retention(tmp_path / "kept/retention.json").rows == 25


def test_what_does_not_fit_is_refused(trained, bench, tmp_path):
    folder = trained("method=lora")
    for words, message in (
        ([folder, "--task", "glue/rte"], "tuned on glue/rte itself"),
        ([folder, "--task", "vision/digits"], "another kind of input"),
        ([folder, "--task", "glue/colla"], "glue/cola"),
        (["nowhere", "--task", "glue/cola"], "no folder nowhere"),
        (["data.max_train=1", "--task", "glue/cola"], "Name the runs"),
        ([str(tmp_path / "outputs/smoke/tiny_roberta/glue/rte/lora/x"), "--task", "glue/cola"], "no folder"),
    ):
        code, _, err = bench("retention", *words, "--to", "kept")
        assert code == 2 and message in err, (words, err)


def test_an_edited_record_is_refused(trained, bench, tmp_path):
    folder = trained("method=lora")
    bench("retention", folder, "--task", "glue/cola", "--to", "kept", *ROWS)
    file = tmp_path / "kept/retention.json"
    content = json.loads(file.read_text())
    content["results"][0]["retained"] = 1.0
    file.write_text(json.dumps(content))
    with pytest.raises(RequestError, match="edited"):
        read_retention(file)
