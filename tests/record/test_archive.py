"""Runs in an archive are read as runs in directories are."""

import json

import pytest

from frod_bench.errors import RequestError
from frod_bench.reading import read_text
from frod_bench.record import find_records
from frod_bench.record.archive import archive_line, archived_runs


@pytest.fixture
def texts(tmp_path, record, store):
    """The texts of a whole run's files by name."""
    run = store(tmp_path / "run", record, epochs=2)
    run.write_losses([[0.7, 0.6], [0.5]])
    record.files = run.digests()
    run.write_record(record)
    return {path.name: read_text(path) for path in (run.record, run.config, run.metrics, run.losses)}


@pytest.fixture
def archive(tmp_path, texts):
    """Return a function that writes an archive of these (name, texts)."""

    def write(*runs):
        file = tmp_path / "packed/glue_mrpc.runs.jsonl"
        file.parent.mkdir(exist_ok=True)
        file.write_text("".join(archive_line(name, files) for name, files in runs), encoding="utf-8")
        return file

    return write


def test_an_archived_run_reads_as_its_directory_did(tmp_path, archive, texts, record):
    file = archive(("a/first", texts), ("b/second", texts))
    (whole,) = find_records(tmp_path / "run").runs
    found = find_records(file.parent)
    assert found.broken == []
    assert [run.path for run in found.runs] == [file / "a/first", file / "b/second"]
    for run in found.runs:
        assert run.record == whole.record == record
        assert list(run.metrics) == list(whole.metrics) and run.metrics[-1]["epoch"] == 2
        assert run.losses() == whole.losses() == [0.7, 0.6, 0.5]
        assert run.files.read_config() == whole.files.read_config()


@pytest.mark.parametrize("name", ["record.json", "config.yaml", "metrics.jsonl", "losses.jsonl"])
def test_an_edited_run_is_named_and_the_others_are_read(archive, texts, name):
    edited = texts | {name: texts[name].translate(str.maketrans("01", "10"))}
    found = find_records(archive(("good", texts), ("bad", edited)).parent)
    assert [run.path.name for run in found.runs] == ["good"]
    [(path, reason)] = found.broken
    assert path.name == "bad" and name in reason


@pytest.mark.parametrize("line", ["{", "[]", '{"run": "x"}', '{"run": 3, "files": {}}', "null"])
def test_a_line_that_is_no_run_is_named(archive, texts, line):
    file = archive(("good", texts))
    file.write_text(file.read_text() + line + "\n")
    with pytest.raises(RequestError, match=f"{file.name} is broken"):
        list(archived_runs(file))
    assert [path for path, _ in find_records(file.parent).broken] == [file]


def test_a_line_holds_every_file_as_it_was(texts):
    content = json.loads(archive_line("x", texts))
    assert content == {"run": "x", "files": texts}
