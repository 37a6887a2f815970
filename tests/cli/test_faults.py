"""What goes wrong around a command: how it ends, what it says, and that the same command repairs it."""

import errno
import os
import resource
import shutil
import signal
import sys

import pytest

from frod_bench.record import RunDirectory
from frod_bench.train.trainer import Trainer

WORDS = ("profile=smoke", "train.epochs=2", "data.max_train=16", "method=lora", "out=run")


def at_evaluation(monkeypatch, number, act):
    """Let `act()` happen at the n-th evaluation, once."""
    evaluate, calls = Trainer.evaluate, []

    def acting(self, *arguments):
        calls.append(self)
        if len(calls) == number:
            act()
        return evaluate(self, *arguments)

    monkeypatch.setattr(Trainer, "evaluate", acting)


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_with_its_code_and_the_command_goes_on(bench, monkeypatch, signum, code):
    at_evaluation(monkeypatch, 2, lambda: os.kill(os.getpid(), signum))
    stopped, _, err = bench(*WORDS)
    assert stopped == code
    assert err.splitlines()[-1].startswith(f"frod-bench: stopped by {signal.Signals(signum).name}. The same command")
    record = RunDirectory("run").read_record()
    assert (record.status, record.error, record.final["epoch"]) == ("interrupted", None, 1)
    assert f"stopped by {signal.Signals(signum).name}" in RunDirectory("run").log.file.read_text()
    assert not (RunDirectory("run").path / ".lock").exists()
    assert "interrupted" in bench("report", "run")[1]
    assert "is not complete" in bench("merge", "run", "run", "--how", "average", "--to", "merged")[2]
    code, out, err = bench(*WORDS)
    assert (code, err) == (0, "")
    assert "going on after epoch 1 of 2 and" in out
    assert RunDirectory("run").read_record().status == "completed"


def test_a_sweep_stops_at_a_signal(bench, monkeypatch, tmp_path):
    at_evaluation(monkeypatch, 1, lambda: os.kill(os.getpid(), signal.SIGTERM))
    assert bench("-m", *WORDS[:-1], "seed=0,1")[0] == 143
    assert len(list(tmp_path.rglob("record.json"))) == 1


def test_without_memory_the_message_says_what_would_fit(bench, monkeypatch):
    def hungry(*_):
        raise MemoryError

    monkeypatch.setattr(Trainer, "_step", hungry)
    monkeypatch.setattr("frod_bench.runs.job.total_memory", lambda device: 1)
    code, _, err = bench(*WORDS, "train.batch_size=4")
    assert code == 1
    assert "train.gradient_accumulation_steps=2 halves what a batch needs" in err
    assert "GiB with train.gradient_accumulation_steps=2, " in err
    assert "GiB with train.gradient_accumulation_steps=4; the device has 0.00." in err
    assert "train.gradient_accumulation_steps=8" not in err
    assert RunDirectory("run").read_record().status == "failed"


def test_the_second_run_on_a_directory_leaves(bench, tmp_path):
    assert bench(*WORDS)[0] == 0
    owner = RunDirectory("run")
    owner.claim(owner.read_record().identity, "")
    before = {file: file.read_bytes() for file in (tmp_path / "run").rglob("*") if file.is_file()}
    code, _, err = bench(*WORDS, "force=true")
    assert code == 2
    assert f"frod-bench: The directory run is in use by process {os.getpid()} on" in err
    assert {file: file.read_bytes() for file in (tmp_path / "run").rglob("*") if file.is_file()} == before
    owner.release()
    assert bench(*WORDS, "force=true")[0] == 0


def test_a_forced_run_that_was_stopped_goes_on(bench, monkeypatch):
    assert bench(*WORDS)[0] == 0
    with monkeypatch.context() as patch:
        at_evaluation(patch, 2, lambda: os.kill(os.getpid(), signal.SIGTERM))
        assert bench(*WORDS, "force=true")[0] == 143
    assert "going on after epoch 1 of 2" in bench(*WORDS, "force=true")[1]
    assert "going on" not in bench(*WORDS, "force=true")[1]


def test_a_directory_that_is_removed(bench, monkeypatch, tmp_path):
    at_evaluation(monkeypatch, 2, lambda: shutil.rmtree(tmp_path / "run"))
    code, _, err = bench(*WORDS)
    assert code == 1
    assert "The directory run was removed while the run wrote into it" in err
    assert not (tmp_path / "run").exists()
    assert bench(*WORDS)[0] == 0


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
def test_a_disk_that_takes_no_more(bench, monkeypatch, code):
    fsync, full = os.fsync, []

    def refusing(descriptor):
        if full:
            raise OSError(code, os.strerror(code))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", refusing)
    at_evaluation(monkeypatch, 2, lambda: full.append(True))
    ended, _, err = bench(*WORDS)
    assert ended == 1
    assert f"run/metrics.jsonl cannot be written ({os.strerror(code)})" in err
    assert "Traceback" not in err
    full.clear()
    code, out, _ = bench(*WORDS)
    assert code == 0
    assert "going on after epoch 1 of 2" in out
    assert RunDirectory("run").read_record().status == "completed"


def test_a_file_that_the_system_cuts_short(bench, monkeypatch):
    """Not an error that a test made up: the system's own have no file name."""
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    at_evaluation(monkeypatch, 2, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100, most)))
    try:
        ended, _, err = bench(*WORDS)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    assert ended == 1
    assert f"run/metrics.jsonl cannot be written ({os.strerror(errno.EFBIG)}). Fix that; the same command" in err
    assert "going on after epoch 1 of 2" in bench(*WORDS)[1]


def test_a_damaged_record_is_made_again(bench, tmp_path):
    assert bench(*WORDS)[0] == 0
    file = tmp_path / "run/record.json"
    whole = RunDirectory("run").read_record()
    file.write_text(file.read_text().replace('"completed"', '"running"'))
    code, _, err = bench(*WORDS)
    assert code == 0
    assert "record.json is not a run record of schema 3: it was edited or damaged" in err
    assert RunDirectory("run").read_record().final == whole.final


def test_an_edited_record_is_in_no_table(bench, tmp_path):
    assert bench(*WORDS)[0] == 0
    assert bench(*WORDS[:-1], "seed=1", "out=other")[0] == 0
    for name, old, new in (("record.json", '"seed": 0', '"seed": 7'), ("metrics.jsonl", '"step": ', '"step":  ')):
        file = tmp_path / "run" / name
        whole = file.read_text()
        assert old in whole
        file.write_text(whole.replace(old, new, 1))
        code, out, err = bench("report", ".")
        assert code == 0
        assert f"run/{name}" in err
        assert "edited or damaged" in err
        file.write_text(whole)
        assert out != bench("report", ".")[1]
    assert bench("report", ".")[2] == ""


def test_a_secret_is_neither_taken_nor_shown(bench, monkeypatch, tmp_path):
    secret = "0123456789" * 4
    monkeypatch.setenv("WANDB_API_KEY", secret)
    code, _, err = bench(*WORDS, "wandb.project=${oc.env:WANDB_API_KEY}")
    assert code == 2
    assert "wandb.project holds a secret" in err
    assert not (tmp_path / "run").exists()

    def leak():
        raise RuntimeError(f"https://user:{secret}@host answered 401")

    at_evaluation(monkeypatch, 1, leak)
    code, out, err = bench(*WORDS)
    assert code == 1
    assert "https://user:[secret]@host answered 401" in err
    written = "".join(file.read_text(errors="replace") for file in (tmp_path / "run").rglob("*") if file.is_file())
    assert secret not in out + err + written
    assert "[secret]" in RunDirectory("run").read_record().error


def test_a_log_on_a_full_disk_costs_no_run(bench, monkeypatch):
    with open("/dev/full", "w") as full:
        at_evaluation(monkeypatch, 1, lambda: monkeypatch.setattr(sys, "stdout", full))
        assert bench(*WORDS)[0] == 0
    assert RunDirectory("run").read_record().status == "completed"


def test_what_fails_after_the_end_leaves_the_run_complete(bench, monkeypatch):
    def fail(*_):
        raise RuntimeError("late")

    with monkeypatch.context() as patch:
        patch.setattr("frod_bench.train.fit.delete_checkpoints", fail)
        assert bench(*WORDS)[0] == 1
    assert "complete already" in bench(*WORDS)[1]
