"""A run that goes on with other threads: the same bits, or a sentence, and the record says which were used when."""

import os
import signal

import pytest
import torch

from frod_bench.record import RunDirectory
from frod_bench.train import machine
from frod_bench.train.trainer import Trainer

WORDS = ("profile=smoke", "method=full_ft", "task=glue/mrpc", "train.epochs=2", "train.batch_size=16")
WORDS += ("data.max_train=48", "data.max_eval=8")


@pytest.fixture
def begun(bench, monkeypatch):
    """A run with two threads that was stopped after its first epoch of training, and the next command has one."""

    def stop(self, *arguments):
        evaluated.append(self)
        if len(evaluated) == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return evaluate(self, *arguments)

    evaluate, evaluated, before = Trainer.evaluate, [], torch.get_num_threads()
    torch.set_num_threads(2)
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "evaluate", stop)
        assert bench(*WORDS, "out=run")[0] == 143
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def adapter(name):
    return (RunDirectory(name).adapter / "adapter_model.safetensors").read_bytes()


def segments(name):
    found = RunDirectory(name).read_record().environment["segments"]
    return [(segment["from_epoch"], segment["from_step"], segment["threads"]) for segment in found]


def test_the_threads_are_put_back_and_the_bits_are_the_same(bench, begun, monkeypatch):
    monkeypatch.setattr(machine, "_cores", lambda: 2)
    code, out, _ = bench(*WORDS, "out=run")
    assert code == 0
    assert "The run began with threads=2 and keeps that instead of 1: its last bits depend on it." in out
    assert segments("run") == [(1, 1, 2)]
    assert torch.get_num_threads() == 1  # the next run of a sweep has its own
    torch.set_num_threads(2)
    assert bench(*WORDS, "out=whole")[0] == 0
    assert adapter("run") == adapter("whole")


def test_without_the_cores_a_sentence_says_that_the_bits_may_differ(bench, begun, monkeypatch):
    monkeypatch.setattr(machine, "_cores", lambda: 1)
    code, out, _ = bench(*WORDS, "out=run")
    assert code == 0
    assert "The run resumes on other hardware or software (threads: 2, now 1): its last bits may differ" in out
    assert segments("run") == [(1, 1, 2), (1, 4, 1)]


def test_a_run_whose_record_is_lost_says_it_too(bench, begun, monkeypatch):
    monkeypatch.setattr(machine, "_cores", lambda: 2)
    record = RunDirectory("run").record
    record.write_text(record.read_text().replace("seed", "sead", 1))
    code, out, err = bench(*WORDS, "out=run")
    assert code == 0 and "The record is set aside" in err
    assert "(threads: 2, now 1)" in out
    assert segments("run")[-1][2] == 1
