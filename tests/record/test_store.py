import os
import shutil

import pytest

from frod_bench.errors import RequestError
from frod_bench.record import RunDirectory

HASH = "0123456789abcdef"


@pytest.fixture
def directory(tmp_path):
    return RunDirectory(tmp_path / "outputs" / "run")


def names(path):
    return sorted(entry.name for entry in path.iterdir() if entry.name != ".lock")


class TestClaim:
    def test_a_new_directory_gets_the_configuration_and_nothing_else(self, directory):
        assert directory.claim(HASH, "seed: 0\n") == "new"
        assert names(directory.path) == ["config.yaml"]
        assert directory.read_config().endswith("\nseed: 0\n")

    @pytest.mark.parametrize("status", ["running", "failed"])
    def test_a_begun_run_goes_on(self, directory, record, status, store):
        record.status = status
        store(directory.path, record, epochs=2)
        assert directory.claim(HASH, "seed: 0\n") == "resume"
        assert len(directory.read_metrics()) == 2
        assert directory.read_record() == record

    def test_a_completed_run_is_left_alone(self, directory, record, store):
        store(directory.path, record)
        assert directory.claim(HASH, "seed: 1\n") == "completed"
        assert "seed: 0" in directory.read_config()

    def test_force_starts_afresh(self, directory, record, store):
        store(directory.path, record)
        for folder in (directory.checkpoints, directory.adapter):
            folder.mkdir()
            (folder / "weights").write_text("old")
        before = names(directory.path)
        assert directory.claim(HASH, "seed: 1\n", force=True) == "new"
        assert names(directory.path) == before and "seed: 0" in directory.read_config()
        directory.begin(HASH, "seed: 0\n")
        assert names(directory.path) == ["config.yaml"]

    @pytest.mark.parametrize(("status", "state"), [("running", "resume"), ("failed", "resume"), ("completed", "new")])
    def test_a_forced_run_goes_on_with_what_it_began_itself(self, directory, record, status, state, store):
        forced = "seed: 0\nforce: true\n"
        store(directory.path, record)
        assert directory.claim(HASH, forced, force=True) == "new"
        directory.begin(HASH, forced)
        record.status = status
        directory.write_record(record)
        assert directory.claim(HASH, forced, force=True) == state

    def test_force_does_not_go_on_with_what_another_command_began(self, directory, record, store):
        record.status = "running"
        store(directory.path, record)
        assert directory.claim(HASH, "seed: 0\nforce: true\n", force=True) == "new"

    def test_a_configuration_without_a_record_is_new_and_leaves_no_old_metrics(self, directory):
        directory.claim(HASH, "seed: 0\n")
        directory.write_metrics([{"epoch": 1}])
        assert directory.claim(HASH, "seed: 0\n") == "new"
        assert directory.read_metrics() == []

    @pytest.mark.parametrize("force", [False, True])
    @pytest.mark.parametrize("left", ["config.yaml", "record.json"])
    def test_another_configuration_is_refused_and_kept(self, directory, record, left, force, store):
        store(directory.path, record)
        for name in set(names(directory.path)) - {left}:
            (directory.path / name).unlink()
        with pytest.raises(RequestError, match=r"another configuration.*out=DIR") as raised:
            directory.claim("f" * 16, "seed: 1\n", force=force)
        assert str(directory.path) in str(raised.value)
        assert names(directory.path) == [left]

    @pytest.mark.parametrize("name", ["thesis.tex", "config.yaml"])
    def test_a_folder_that_is_no_run_is_refused_and_kept(self, directory, name):
        directory.path.mkdir(parents=True)
        (directory.path / name).write_text("mine")
        with pytest.raises(RequestError, match="holds no run"):
            directory.claim(HASH, "seed: 0\n", force=True)
        assert (directory.path / name).read_text() == "mine"

    def test_hidden_leftovers_do_not_count(self, directory):
        (directory.path / ".hydra").mkdir(parents=True)
        assert directory.claim(HASH, "seed: 0\n") == "new"

    def test_a_file_in_the_way_is_a_wrong_request(self, directory):
        directory.path.parent.write_text("a file")
        with pytest.raises(RequestError, match="cannot be written"):
            directory.claim(HASH, "seed: 0\n")

    @pytest.mark.parametrize("name", ["record.json", "metrics.jsonl"])
    def test_a_damaged_run_is_made_again_and_its_record_set_aside(self, directory, record, name, capsys, store):
        store(directory.path, record)
        record.files = directory.digests()
        directory.write_record(record)
        damaged = bytearray((directory.path / name).read_bytes())
        damaged[len(damaged) // 2] ^= 4
        (directory.path / name).write_bytes(damaged)
        held = directory.record.read_bytes()
        assert directory.claim(HASH, "seed: 0\n") == "resume"
        err = capsys.readouterr().err
        assert name in err and err.endswith("and the run starts again from the beginning.\n")
        assert not directory.record.exists()
        assert (directory.path / ".record.json.damaged").read_bytes() == held

    def test_what_a_killed_process_left_half_written_is_removed(self, directory, record, store):
        store(directory.path, record)
        left = [".record.json.123.tmp", "adapter/adapter_model.safetensors.tmp", "checkpoints/123.tmp"]
        for name in left:
            (directory.path / name).parent.mkdir(exist_ok=True)
            (directory.path / name).write_text("half")
        directory.claim(HASH, "seed: 0\n")
        assert not any((directory.path / name).exists() for name in left)


class TestMetrics:
    def test_lines_come_back_in_order(self, directory):
        directory.claim(HASH, "")
        lines = [{"epoch": 1, "tan_alpha": None}, {"epoch": 2, "tan_alpha": {"mean": 0.1}}]
        directory.write_metrics(lines)
        assert directory.read_metrics() == lines
        assert directory.metrics.read_text().count("\n") == 2

    def test_all_lines_are_replaced_at_once(self, directory):
        directory.claim(HASH, "")
        directory.write_metrics([{"epoch": 7}])
        directory.write_metrics([{"epoch": 1}, {"epoch": 2}])
        assert directory.read_metrics() == [{"epoch": 1}, {"epoch": 2}]

    def test_nan_is_refused_and_the_old_lines_stay(self, directory):
        directory.claim(HASH, "")
        directory.write_metrics([{"epoch": 1}])
        with pytest.raises(ValueError, match="JSON"):
            directory.write_metrics([{"epoch": 1}, {"epoch": 2, "train_loss": float("nan")}])
        assert directory.read_metrics() == [{"epoch": 1}]
        assert names(directory.path) == ["config.yaml", "metrics.jsonl"]

    @pytest.mark.parametrize("second", ['{"epoch": 2, "tra', "[]", "{}", '{"epoch": 2, "train_loss": NaN}'])
    def test_a_broken_line_is_named(self, directory, second):
        directory.claim(HASH, "")
        directory.metrics.write_text('{"epoch": 1}\n' + second)
        with pytest.raises(RequestError, match="line 2"):
            directory.read_metrics()


def test_a_write_that_breaks_off_leaves_the_old_record(directory, record, monkeypatch, store):
    store(directory.path, record)

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    record.seed = 7
    with pytest.raises(OSError, match="No space"):
        directory.write_record(record)
    assert directory.read_record().seed == 0
    assert names(directory.path) == ["config.yaml", "metrics.jsonl", "record.json"]


def test_a_missing_record_is_a_wrong_request(directory):
    with pytest.raises(RequestError, match=r"record\.json cannot be read"):
        directory.read_record()


class TestLosses:
    def test_they_are_kept_by_step_to_six_digits(self, directory):
        directory.claim(HASH, "seed: 0\n")
        assert directory.read_losses() == []
        directory.write_losses([[0.123456789, 2.0], [1e-9]])
        assert directory.read_losses() == [0.123457, 2.0, 1e-9]
        with pytest.raises(ValueError):
            directory.write_losses([[float("nan")]])

    def test_force_removes_them_and_the_loss_surfaces(self, directory, record, store):
        store(directory.path, record)
        directory.write_losses([[1.0]])
        directory.landscapes.mkdir()
        directory.release()
        assert directory.claim(HASH, "seed: 0\n", force=True) == "new"
        directory.begin(HASH, "seed: 0\n")
        assert {"config.yaml"} == {name for name in names(directory.path) if not name.startswith(".")}


def test_the_adapter_is_held_against_the_record_where_it_is_asked_for(directory, record, store):
    store(directory.path, record)
    directory.adapter.mkdir()
    (directory.adapter / "weights").write_bytes(b"abc")
    record.files = directory.digests()
    assert set(record.files) == {"config.yaml", "metrics.jsonl", "adapter/weights"}
    directory.verify(record, adapter=True)
    (directory.adapter / "weights").write_bytes(b"abd")
    directory.verify(record)
    with pytest.raises(RequestError, match="adapter/weights was edited"):
        directory.verify(record, adapter=True)
    (directory.adapter / "weights").rename(directory.adapter / "other")
    with pytest.raises(RequestError, match="adapter/weights is not there"):
        directory.verify(record, adapter=True)
    (directory.adapter / "weights").write_bytes(b"abc")
    with pytest.raises(RequestError, match="adapter/other is no file of this run"):
        directory.verify(record, adapter=True)
    shutil.rmtree(directory.adapter)  # cleared away, to have the room
    directory.verify(record, adapter=True)
