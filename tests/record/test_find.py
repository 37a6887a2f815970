import json
import shutil

import pytest

from frod_bench.errors import RequestError
from frod_bench.record import find_records


def test_runs_come_by_path_with_their_metrics(tmp_path, record, store):
    for name in ("b", "a/deep", "c"):
        store(tmp_path / name, record, epochs=2)
    found = find_records(tmp_path)
    assert [run.path for run in found.runs] == [tmp_path / "a/deep", tmp_path / "b", tmp_path / "c"]
    assert found.runs[0].record == record
    assert [line["epoch"] for line in found.runs[0].metrics] == [1, 2]
    assert found.broken == []


def test_the_directory_of_one_run_is_enough(tmp_path, record, store):
    store(tmp_path / "run", record)
    assert len(find_records(tmp_path / "run").runs) == 1


@pytest.mark.parametrize("name", ["record.json", "metrics.jsonl"])
def test_a_broken_run_is_reported_and_the_others_are_read(tmp_path, record, name, store):
    store(tmp_path / "good", record)
    shutil.copytree(tmp_path / "good", tmp_path / "bad")
    (tmp_path / "bad" / name).write_bytes(b"\xff{")
    found = find_records(tmp_path)
    assert [run.path.name for run in found.runs] == ["good"]
    [(path, reason)] = found.broken
    assert path == tmp_path / "bad"
    assert name in reason


@pytest.mark.parametrize("name", ["config.yaml", "metrics.jsonl"])
def test_an_edited_file_is_told_by_its_record(tmp_path, record, name, store):
    directory = store(tmp_path / "run", record)
    record.files = directory.digests()
    directory.write_record(record)
    assert len(find_records(tmp_path).runs) == 1
    file = tmp_path / "run" / name
    file.write_text(file.read_text().replace(": ", ":  "))
    [(_, reason)] = find_records(tmp_path).broken
    assert f"{name} was edited or damaged" in reason
    file.unlink()
    assert len(find_records(tmp_path).broken) == 1


def test_an_edited_record_that_says_it_is_of_the_first_schema_is_reported(tmp_path, record, store):
    directory = store(tmp_path / "run", record)
    content = json.loads(directory.record.read_text()) | {"schema": 1}
    content["best"]["value"] = 0.99
    del content["digest"], content["files"]
    directory.record.write_text(json.dumps(content))
    found = find_records(tmp_path)
    assert found.runs == []
    assert "make the run again" in found.broken[0][1]


def test_what_reports_read_is_kept_without_the_values_of_layers(tmp_path, record, store):
    whole = {"epoch": 1, "eval": {"f1": 0.5}, "lr": {"head": 0.1}, "tan_alpha": {"mean": 0.2, "per_layer": {"q": 0.1}}}
    directory = store(tmp_path / "run", record)
    directory.write_metrics([whole])
    [run] = find_records(tmp_path).runs
    assert list(run.metrics_by_layer()) == [whole]
    directory.metrics.unlink()
    assert list(run.metrics) == [{"epoch": 1, "eval": {"f1": 0.5}, "tan_alpha": {"mean": 0.2}}]
    assert run.metrics[-1] is run.metrics[0]


def test_the_lines_of_a_large_file_are_read_anew(tmp_path, record, store):
    directory = store(tmp_path / "run", record)
    large = {f"layer{number}": 0.123456789 for number in range(1000)}
    directory.write_metrics([{"epoch": n, "tan_alpha": {"mean": 0.1, "per_layer": large}} for n in range(50)])
    [run] = find_records(tmp_path).runs
    assert directory.metrics.stat().st_size > 2**20
    assert [line["epoch"] for line in run.metrics] == list(range(50)) and run.metrics[-1]["epoch"] == 49
    assert run.metrics[3] == {"epoch": 3, "tan_alpha": {"mean": 0.1}}
    directory.metrics.write_text("{}\n")
    with pytest.raises(RequestError, match="line 1"):
        list(run.metrics)
