"""Each fault ends in a clear state, and the same command repairs what it has done."""

import errno
import math
import os
import shutil
import signal
import time

import pytest
import torch
from torch import nn
from torch.utils.data import get_worker_info

from frod_bench.errors import RequestError, RunFailure
from frod_bench.tasks.base import most_likely_class
from frod_bench.train import checkpointer as checkpointer_module
from frod_bench.train.checkpoint import save_checkpoint
from frod_bench.train.fit import fit
from frod_bench.train.nonfinite import LossWatch, first_not_finite


def weights(trainer):
    return {name: value.clone() for name, value in trainer.adapted.trainable_state().items()}


class TestNotFinite:
    def poison(self, trainer, name, value=math.nan):
        with torch.no_grad():
            trainer.adapted.model.get_parameter(name).view(-1)[0] = value

    @pytest.mark.parametrize(
        ("name", "where"),
        [
            ("words.weight", "the weights words.weight"),
            ("layers.1.query.weight", "the weights layers.1.query.weight"),
            ("classifier.bias", "the weights classifier.bias"),
        ],
    )
    def test_the_layer_is_named(self, make_trainer, silent, name, where):
        trainer = make_trainer("full_ft")
        self.poison(trainer, name)
        with pytest.raises(
            RunFailure, match=rf"became nan at step 1 \(epoch 1\)\. The first values .* are {where}\. Lower"
        ):
            trainer.train_epoch(0, silent)

    def test_a_layer_whose_output_overflows_is_named(self, make_trainer, silent):
        trainer = make_trainer("full_ft")
        with torch.no_grad():
            trainer.adapted.model.classifier.weight.fill_(3e38)
            trainer.adapted.model.words.weight.fill_(2.0)
        with pytest.raises(RunFailure, match=r"The first values that are not finite are the output of classifier\."):
            trainer.train_epoch(0, silent)

    def test_the_weights_stay_as_they_were_at_the_first_such_loss(self, make_trainer):
        """Also when, as on an accelerator, nobody looks until later."""
        trainer = make_trainer("full_ft")
        watch, before = LossWatch(trainer.optimizer, torch.device("cpu")), weights(trainer)
        losses = [torch.tensor(value, dtype=torch.float64) for value in (1.0, math.inf, math.nan, 2.0)]
        for number, loss in enumerate(losses):
            for p in trainer.model.parameters():
                p.grad = torch.ones_like(p)
            watch.see(loss)
            trainer.optimizer.step()
            if number == 0:
                assert watch.lost() is None
                assert not torch.equal(weights(trainer)["words.weight"], before["words.weight"])
                before = weights(trainer)
        assert all(torch.equal(value, before[name]) for name, value in weights(trainer).items())
        assert watch.lost() == (2, math.inf)

    def test_no_checkpoint_holds_such_a_loss(self, make_trainer, silent):
        """Where nobody looks until later, whoever asks for the state first finds it."""
        trainer = make_trainer("full_ft")
        trainer.check_every = 25
        asked = []

        def pause(state):
            asked.append(1)
            if len(asked) == 3:
                state()
            if len(asked) == 1:
                self.poison(trainer, "classifier.bias")

        with pytest.raises(RunFailure, match=r"became nan at step 2 \(epoch 1\)"):
            trainer.train_epoch(0, silent, None, pause)
        assert len(asked) == 3

    def test_of_a_finite_pass_nothing_is_named(self):
        model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
        assert first_not_finite(model, lambda: model(torch.ones(1, 2))) is None
        assert not model[0]._forward_hooks


class Sparse:
    """A model's forward, or a prediction, that runs out of memory for more rows than `most`."""

    def __init__(self, inner, most, error):
        self.inner, self.most, self.error, self.sizes = inner, most, error, []

    def __call__(self, *arguments, **batch):
        rows = len((batch or arguments[-1])["labels"])
        self.sizes.append(rows)
        if rows > self.most:
            raise self.error
        return self.inner(*arguments, **batch)


ERRORS = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:125] . DefaultCPUAllocator: can't allocate memory: you tried ..."),
    MemoryError(),
]


class TestOutOfMemory:
    @pytest.mark.parametrize("error", ERRORS)
    def test_what_was_live_and_what_to_turn(self, make_trainer, silent, monkeypatch, error):
        trainer = make_trainer("lora", batch_size=8)
        monkeypatch.setattr(trainer.model, "forward", Sparse(trainer.model.forward, 4, error))
        with pytest.raises(RunFailure) as raised:
            trainer.train_epoch(0, silent)
        text = str(raised.value)
        assert "not enough memory in a step of micro-batches of 8 rows" in text
        assert "train.gradient_accumulation_steps=2 halves" in text
        for kind in ("frozen weights", "trained weights", "gradients", "optimizer", "activations"):
            assert kind in text

    def test_auto_batch_halves_until_it_fits_and_takes_the_same_steps(self, make_trainer, silent, monkeypatch):
        ends = []
        for most in (8, 3):
            trainer = make_trainer("full_ft", batch_size=8, auto_batch=True)
            forward = Sparse(trainer.model.forward, most, ERRORS[0])
            monkeypatch.setattr(trainer.model, "forward", forward)
            ends.append((trainer.train_epoch(0, silent), weights(trainer)))
        assert trainer.batches["gradient_accumulation_steps"] == 4
        assert forward.sizes[:3] == [8, 4, 2]
        assert max(forward.sizes[2:]) == 2
        (whole, one), (cut, other) = ends
        assert (whole.steps, whole.samples) == (cut.steps, cut.samples) == (5, 40)
        assert cut.loss == pytest.approx(whole.loss, rel=1e-5)
        torch.testing.assert_close(one, other, rtol=1e-2, atol=1e-4)

    def test_an_optimizer_that_was_cut_short_in_making_its_state(self, make_trainer, silent, monkeypatch):
        made = torch.zeros_like
        calls = []

        def zeros_like(*arguments, **options):
            calls.append(1)
            if len(calls) == 2:  # the second moment of the first parameter
                raise ERRORS[0]
            return made(*arguments, **options)

        trainer = make_trainer("full_ft", batch_size=8, auto_batch=True)
        monkeypatch.setattr("torch.zeros_like", zeros_like)
        assert trainer.train_epoch(0, silent).steps == 5
        assert trainer.batches["gradient_accumulation_steps"] == 2

    def test_what_does_not_fit_at_one_row_is_told(self, make_trainer, silent, monkeypatch):
        trainer = make_trainer("lora", batch_size=4, auto_batch=True)
        monkeypatch.setattr(trainer.model, "forward", Sparse(trainer.model.forward, 0, ERRORS[0]))
        with pytest.raises(RunFailure, match="micro-batches of 1 rows"):
            trainer.train_epoch(0, silent)

    def test_evaluation_too(self, make_trainer, make_data):
        data = make_data()
        expected = make_trainer(data=make_data()).evaluate()
        data.predict = Sparse(most_likely_class, 3, ERRORS[0])
        with pytest.raises(RunFailure, match=r"in evaluating 16 rows at once.*train\.eval_batch_size=8"):
            make_trainer(data=data, eval_batch_size=16).evaluate()
        trainer = make_trainer(data=data, eval_batch_size=16, auto_batch=True)
        assert trainer.evaluate() == expected
        assert trainer.batches["eval_batch_size"] == 2

    def test_a_resumed_run_keeps_what_fitted_and_the_record_says_it(self, make_trainer, make_run, monkeypatch):
        class Interrupting:
            def log(self, line):
                if line["epoch"] == 2:
                    raise KeyboardInterrupt

        trainer = make_trainer(batch_size=8, auto_batch=True)
        monkeypatch.setattr(trainer.model, "forward", Sparse(trainer.model.forward, 4, ERRORS[0]))
        run, record = make_run("run")
        with pytest.raises(KeyboardInterrupt):
            fit(trainer, run, record, Interrupting())
        again = make_trainer(batch_size=8, auto_batch=True)
        forward = Sparse(again.model.forward, 4, ERRORS[0])
        monkeypatch.setattr(again.model, "forward", forward)
        assert (
            fit(again, run, record, type("Silent", (), {"log": lambda *_: None})(), resume=True).status == "completed"
        )
        assert record.memory["gradient_accumulation_steps"] == 2
        assert again.batches["gradient_accumulation_steps"] == 2


def test_a_dead_data_worker(make_trainer, make_data, silent):
    data = make_data()
    collate = data.collate

    def dying(rows):
        if get_worker_info() is not None:
            os.kill(os.getpid(), signal.SIGKILL)
        return collate(rows)

    data.collate = dying
    trainer = make_trainer(data=data)
    trainer.load.workers = 1
    with pytest.raises(RunFailure, match=r"A data-loading worker died.*resumes from the last checkpoint"):
        trainer.train_epoch(0, silent)


def test_a_row_that_a_data_worker_cannot_read(make_trainer, make_data, silent):
    def broken(rows):
        raise RequestError("Row 3 of the train rows is no image: cut off. Repair it.")

    data = make_data()
    data.collate = broken
    for workers in (0, 1):
        trainer = make_trainer(data=data)
        trainer.load.workers = workers
        with pytest.raises(RequestError) as caught:
            trainer.train_epoch(0, silent)
        assert str(caught.value) == "Row 3 of the train rows is no image: cut off. Repair it."


def test_a_full_disk_costs_a_checkpoint_and_not_the_run(make_trainer, make_run, silent, monkeypatch, capsys):
    calls = []

    def full(*arguments):
        calls.append(arguments)
        if len(calls) in (2, 3):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        save_checkpoint(*arguments)

    monkeypatch.setattr(checkpointer_module, "save_checkpoint", full)
    run, record = make_run("run")
    assert fit(make_trainer(epochs=4), run, record, silent).status == "completed"
    assert capsys.readouterr().out.count("No checkpoint could be written (No space left on device)") == 2


def test_any_other_error_in_writing_a_checkpoint_ends_the_run(make_trainer, make_run, silent, monkeypatch):
    def broken(*arguments):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(checkpointer_module, "save_checkpoint", broken)
    with pytest.raises(OSError, match="Input/output error"):
        fit(make_trainer(), *make_run("run"), silent)


@pytest.mark.parametrize("replaced", [False, True])
def test_a_directory_that_is_removed_ends_the_run(make_trainer, make_run, replaced):
    run, record = make_run("run")

    class Removing:
        def log(self, line):
            shutil.rmtree(run.path)
            if replaced:
                run.path.mkdir()

    with pytest.raises(RunFailure, match=r"was removed while the run wrote into it\. The same command makes the run"):
        fit(make_trainer(), run, record, Removing())
    assert not replaced or list(run.path.iterdir()) == []


def test_a_clock_that_is_set_changes_nothing(make_trainer, make_run, silent, monkeypatch):
    """Back by a day at every look: durations come from a clock that nobody sets, and checkpoints are numbered."""
    now = iter(range(10**9, 0, -86400))
    monkeypatch.setattr(time, "time", lambda: float(next(now)))
    run, record = make_run("run")
    trainer = make_trainer(epochs=2)
    fit(trainer, run, record, silent, checkpoint_every_s=0)
    assert record.time["train_s"] > 0
    assert all(line["seconds"] > 0 for line in run.read_metrics())


def test_auto_batch_is_true_or_false(make_settings):
    with pytest.raises(RequestError, match=r"train\.auto_batch=maybe is not accepted"):
        make_settings(auto_batch="maybe")
