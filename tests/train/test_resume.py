"""A run that was killed or stopped anywhere ends with the bits of one that never was."""

import os
import signal
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from frod_bench.errors import Interrupted, RunFailure
from frod_bench.record import RunDirectory
from frod_bench.tasks.base import most_likely_class
from frod_bench.train.fit import fit

CLOCKS = ("seconds", "diagnostics_s", "data_wait", "samples_per_second", "peak_memory_bytes")
VALUES = {"dropout": 0.3, "epochs": 2, "schedule": "cosine", "warmup_steps": 0.2, "group_by_length": True}
VALUES |= {"batch_size": 16, "eval_batch_size": 6}  # 40 rows to train on make 3 steps, 17 to evaluate 3 batches


def ended(path):
    """What a completed run leaves that no clock is part of."""
    run = RunDirectory(path)
    record = run.read_record()
    lines = [{key: value for key, value in line.items() if key not in CLOCKS} for line in run.read_metrics()]
    files = {file.relative_to(path).as_posix(): file.read_bytes() for file in run.adapter.rglob("*")}
    there = {file.name for file in path.iterdir()} - {".lock"}
    predictions = run.predictions.read_bytes(), record.predictions
    return lines, files, predictions, record.best, record.final, record.status, there


@pytest.fixture
def whole(make_trainer, make_run, silent):
    """Returns a function (method, **values) -> what an uninterrupted run leaves."""

    def run(method, **values):
        directory, record = make_run("whole", method)
        fit(make_trainer(method, **VALUES | values), directory, record, silent)
        return ended(directory.path)

    return run


def begin(make_run, name, method):
    """Claim the directory as a command does, and return it, its record, and whether the run is begun already."""
    run, record = make_run(name, method)
    begun = run.record.exists()
    run.write_record(record)
    return run, record, begun


class Stopping:
    """A progress display that sends this process a signal at the n-th step."""

    def __init__(self, at_step, signum):
        self.left, self.signum = at_step, signum

    def __call__(self, *arguments, **options):
        return self

    def step(self, loss=None):
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), self.signum)

    def say(self, text):
        pass

    def close(self):
        pass


@pytest.mark.parametrize(
    ("method", "at_step", "signum"),
    [
        ("frod", 1, signal.SIGTERM),
        ("lora", 2, signal.SIGINT),
        ("full_ft", 3, signal.SIGTERM),
        ("frod", 4, signal.SIGINT),
        ("lora", 5, signal.SIGTERM),
        ("lora", 6, signal.SIGTERM),
    ],
)
def test_a_signal_in_training(make_trainer, make_run, silent, whole, monkeypatch, method, at_step, signum):
    expected = whole(method)
    handlers = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    run, record, _ = begin(make_run, "run", method)
    with monkeypatch.context() as patch:
        patch.setattr("frod_bench.train.fit.Progress", Stopping(at_step, signum))
        with pytest.raises(Interrupted) as raised:
            fit(make_trainer(method, **VALUES), run, record, silent)
    assert raised.value.signum == signum
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == handlers
    assert run.read_record().status == "running"
    torch.manual_seed(99)  # the new process has drawn other numbers before
    fit(make_trainer(method, **VALUES), run, replace(record, best=None, final=None), silent, resume=True)
    assert ended(run.path) == expected


@pytest.fixture
def queued_again(monkeypatch):
    """Let this be a job of submitit; what its handler of signals has queued again is in the list."""
    submitit = pytest.importorskip("submitit.core.job_environment")
    requeued = []

    class Environment(submitit.JobEnvironment):
        global_rank = 0

        def __new__(cls):
            return object.__new__(cls)

        def _requeue(self, countdown):
            requeued.append(countdown)

    monkeypatch.setenv("SUBMITIT_EXECUTOR", "slurm")
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGCONT, signal.SIGUSR2)}
    job = SimpleNamespace(_timeout_min=60, _timeout_countdown=3, function=None)
    Environment()._handle_signals(None, job)
    yield requeued
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_preempted_job_of_submitit_is_queued_again_after_a_checkpoint(
    make_trainer, make_run, silent, whole, monkeypatch, queued_again
):
    expected = whole("lora")
    run, record, _ = begin(make_run, "run", "lora")
    with monkeypatch.context() as patch:
        patch.setattr("frod_bench.train.fit.Progress", Stopping(2, signal.SIGUSR2))
        with pytest.raises(SystemExit):
            fit(make_trainer("lora", **VALUES), run, record, silent)
    assert queued_again == [3]
    assert len(list(run.checkpoints.iterdir())) == 1
    fit(make_trainer("lora", **VALUES), run, record, silent, resume=True)
    assert ended(run.path) == expected


@pytest.mark.parametrize(
    ("evaluation", "at_batch"), [(None, 1), (None, 3), (None, 4), (None, 10), ("once", 3), ("once", 5), ("once", 7)]
)
def test_a_signal_in_evaluation(make_trainer, make_data, make_run, silent, whole, evaluation, at_batch):
    expected = whole("lora", data=make_data(holdout=7), selection="holdout", evaluation=evaluation)
    data, calls = make_data(holdout=7), []

    def predict(model, batch):
        calls.append(batch)
        if len(calls) == at_batch:
            os.kill(os.getpid(), signal.SIGTERM)
        return most_likely_class(model, batch)

    data.predict = predict
    run, record, _ = begin(make_run, "run", "lora")
    values = VALUES | {"data": data, "selection": "holdout", "evaluation": evaluation}
    with pytest.raises(Interrupted):
        fit(make_trainer("lora", **values), run, record, silent)
    assert len(calls) == at_batch
    fit(make_trainer("lora", **values), run, record, silent, resume=True)
    assert len(calls) == 2 * 2 + (3 if evaluation else 2 * 3)  # nothing was predicted twice
    assert ended(run.path) == expected


def test_a_second_signal_ends_at_once(make_trainer, make_run, silent, monkeypatch):
    class Twice(Stopping):
        def step(self, loss=None):
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("frod_bench.train.fit.Progress", Twice(1, signal.SIGINT))
    run, record, _ = begin(make_run, "run", "lora")
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background may ignore it
    try:
        with pytest.raises(KeyboardInterrupt):
            fit(make_trainer("lora", **VALUES), run, record, silent)
    finally:
        signal.signal(signal.SIGINT, before)


def remove(file):
    file.unlink()


def flip(file):
    content = bytearray(file.read_bytes())
    content[-5] ^= 64
    file.write_bytes(content)


@pytest.mark.parametrize("harm", [remove, flip])
@pytest.mark.parametrize("best", [1, 2])
def test_an_adapter_that_was_harmed_meanwhile(
    make_trainer, make_data, make_run, monkeypatch, silent, capsys, harm, best
):
    """The selected epoch's adapter is in no later checkpoint: the run goes on from that epoch's, or begins again."""
    scores = {epoch: 0.9 if epoch == best else 0.5 for epoch in range(1, 5)}
    values = VALUES | {"epochs": 4}

    def trained(run, record, at_step, resume=False):
        trainer = make_trainer("lora", **values)
        monkeypatch.setattr(trainer, "evaluate", lambda *_: {"accuracy": scores[trainer.schedule.last_epoch // 3]})
        monkeypatch.setattr("frod_bench.train.fit.Progress", Stopping(at_step, signal.SIGTERM))
        fit(trainer, run, record, silent, resume=resume)

    directory, record = make_run("whole", "lora")
    trained(directory, record, at_step=0)
    run, record, _ = begin(make_run, "run", "lora")
    with pytest.raises(Interrupted):
        trained(run, record, at_step=7)
    harm(run.adapter / "adapter_model.safetensors")
    trained(run, record, at_step=0, resume=True)
    out = capsys.readouterr().out
    assert f"The adapter of epoch {best} was removed or changed; the run resumes from before that." in out
    assert ("going on after epoch 2 of 4" in out) == (best == 2)
    assert ended(run.path) == ended(directory.path)


def test_without_its_adapter_a_run_is_not_complete(make_trainer, make_run):
    class Removing:
        def log(self, line):
            if line["epoch"] == 2:
                remove(run.adapter / "adapter_model.safetensors")

    run, record, _ = begin(make_run, "run", "lora")
    trainer = make_trainer("lora", **VALUES)
    trainer.evaluate = lambda *_: {"accuracy": 0.5}
    with pytest.raises(RunFailure, match="The adapter of epoch 1 was removed or changed"):
        fit(trainer, run, record, Removing())
    assert run.read_record().status == "running"


def in_child(work):
    """Return the exit code, or minus the signal, of a copy of this process that does the work."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def die_at(call, after):
    """Let this process be killed before, or after, the n-th time that it moves a file to its place or syncs one."""
    counted = 0

    def counting(function):
        def called(*arguments, **options):
            nonlocal counted
            counted += 1
            if counted == call and not after:
                os.kill(os.getpid(), signal.SIGKILL)
            try:
                return function(*arguments, **options)
            finally:
                if counted == call:
                    os.kill(os.getpid(), signal.SIGKILL)

        return called

    for name in ("replace", "rename", "fsync", "unlink"):
        setattr(os, name, counting(getattr(os, name)))


@pytest.mark.skipif(torch.get_num_threads() > 1, reason="a forked copy of a process waits for OpenMP threads it lacks")
@pytest.mark.parametrize(("method", "first"), [("frod", 1), ("lora", 2)])
def test_killed_at_any_write(make_trainer, make_data, make_run, silent, whole, tmp_path, method, first):
    """Every ninth write of a run is its last, before it is done or after it; then the same command is typed again."""
    values = VALUES | {"batch_size": 8, "eval_batch_size": 9}
    expected, deaths = whole(method, **values, data=make_data(train=16)), 0
    for call in range(first, 200, 9):

        def attempt(dies, call=call):
            run, record, begun = begin(make_run, f"run{call}", method)
            if dies:
                die_at(call, after=call % 2)
            trainer = make_trainer(method, **values, data=make_data(train=16))
            fit(trainer, run, record, silent, resume=begun, checkpoint_every_s=0)

        if (code := in_child(lambda attempt=attempt: attempt(True))) == 0:
            break
        assert code == -signal.SIGKILL
        deaths += 1
        if not RunDirectory(tmp_path / f"run{call}").record.exists() or ended_running(tmp_path / f"run{call}"):
            assert in_child(lambda attempt=attempt: attempt(False)) == 0
        *results, there = ended(tmp_path / f"run{call}")
        assert [*results, there - {"checkpoints"}] == list(expected)
    assert deaths > 5


def ended_running(path):
    return RunDirectory(path).read_record().status == "running"
