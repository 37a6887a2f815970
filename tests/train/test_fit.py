import time

import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

from frod_bench.errors import RunFailure
from frod_bench.record import RunRecord
from frod_bench.record.predictions import digest_of
from frod_bench.train.fit import fit

KEYS = {"epoch", "step", "train_loss", "eval", "tan_alpha", "lr", "seconds", "data_wait"}
KEYS |= {"samples_per_second", "flops", "peak_memory_bytes"}


def score(split, predictions, references):
    return {"accuracy": sum(map(int.__eq__, predictions, references)) / len(references)}


def scripted(*rounds):
    """A measure that returns given accuracies; a tuple is one evaluation: the split's, then the hold-out's."""
    values = iter([value for turn in rounds for value in (turn if isinstance(turn, tuple) else (turn,))])
    return lambda split, predictions, references: {"accuracy": next(values)}


class Watching:
    """A tracker that keeps the weights of the end of every epoch."""

    def __init__(self, trainer):
        self.trainer, self.weights, self.lines = trainer, {}, []

    def log(self, line):
        self.lines.append(line)
        if self.trainer is None:
            return
        state = self.trainer.adapted.trainable_state()
        self.weights[line["epoch"]] = {name: value.clone() for name, value in state.items()}


def train(make_trainer, make_data, make_run, measure, method="full_ft", holdout=None, **values):
    trainer = make_trainer(method, make_data(measure=measure, holdout=holdout), **values)
    run, record = make_run("run", method)
    watch = Watching(trainer)
    fit(trainer, run, record, watch)
    saved = load_file(run.adapter / "adapter_model.safetensors")
    saved = {name: value for name, value in saved.items() if not name.startswith("fingerprint.")}
    (epoch,) = [e for e, kept in watch.weights.items() if all(torch.equal(saved[n], kept[n]) for n in saved)]
    return run, record, epoch, watch


@pytest.mark.parametrize("method", ["frod", "lora", "full_ft"])
def test_the_best_epoch_is_kept_with_its_adapter(make_trainer, make_data, make_run, method):
    run, record, epoch, _ = train(make_trainer, make_data, make_run, scripted(0.5, 0.9, 0.7), method)
    assert (record.best["value"], record.best["epoch"]) == (0.9, 2)
    assert (record.final["value"], record.final["epoch"]) == (0.7, 3)
    assert epoch == 2
    assert record.status == "completed"
    assert run.read_record() == record


def test_of_equal_epochs_the_first_is_the_best(make_trainer, make_data, make_run):
    _, record, epoch, _ = train(make_trainer, make_data, make_run, scripted(0.5, 0.5, 0.5))
    assert record.best["epoch"] == epoch == 1


def test_selection_last_keeps_the_last_adapter(make_trainer, make_data, make_run):
    _, record, epoch, _ = train(make_trainer, make_data, make_run, scripted(0.9, 0.5, 0.7), selection="last")
    assert epoch == 3
    assert (record.best["epoch"], record.final["epoch"]) == (1, 3)


def test_selection_holdout_does_not_look_at_the_evaluation_split(make_trainer, make_data, make_run):
    rounds = [(0.9, 0.1), (0.2, 0.8), (0.7, 0.3)]
    run, record, epoch, _ = train(make_trainer, make_data, make_run, scripted(*rounds), holdout=5, selection="holdout")
    assert epoch == 2
    assert record.best == {"value": 0.2, "epoch": 2, "metrics": {"accuracy": 0.2, "holdout_accuracy": 0.8}}
    assert [line["eval"]["holdout_accuracy"] for line in run.read_metrics()] == [0.1, 0.8, 0.3]


@pytest.mark.parametrize("method", ["frod", "lora", "full_ft"])
def test_every_epoch_leaves_a_line(make_trainer, make_data, make_run, capsys, method):
    run, _, _, watch = train(make_trainer, make_data, make_run, scripted(0.5, 0.9, 0.7), method, batch_size=16)
    lines = run.read_metrics()
    assert lines == watch.lines
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    assert [line["step"] for line in lines] == [3, 6, 9]
    for line in lines:
        assert set(line) >= KEYS
        assert (line["lr_ratio"] is not None) == (method == "frod")
        assert set(line["lr"]) == set(watch.trainer.adapted.roles)
        assert line["samples_per_second"] * line["seconds"] == pytest.approx(40)
        assert line["peak_memory_bytes"] > 2**20
    if method == "frod":
        tan = lines[-1]["tan_alpha"]
        assert 0 < tan["min"] <= tan["mean"] <= tan["max"]
        assert set(tan["per_layer"]) == {"layers.0.query", "layers.1.query"}
    else:
        assert lines[-1]["tan_alpha"] is None
    printed = capsys.readouterr().out.splitlines()
    assert [text.split("  ")[0] for text in printed] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
    assert "accuracy 0.9000" in printed[1]
    assert ("tan alpha" in printed[1]) == (method == "frod")


def test_the_share_of_time_spent_waiting_for_rows(make_trainer, make_data, make_run):
    shares = []
    for pause in (0.0, 0.05):
        data = make_data()
        collate = data.collate
        data.collate = lambda rows, pause=pause, collate=collate: time.sleep(pause) or collate(rows)
        trainer = make_trainer("full_ft", data, epochs=2)
        run, record = make_run(f"pause {pause}")
        fit(trainer, run, record, Watching(trainer))
        lines = run.read_metrics()
        waited = sum(line["data_wait"] * line["seconds"] for line in lines)
        assert record.time["data_wait"] == pytest.approx(waited / record.time["train_s"])
        assert waited >= pause * 2 * 5
        shares.append(record.time["data_wait"])
    assert 0 < shares[0] < shares[1] < 1


def test_times_add_up_over_the_epochs(make_trainer, make_data, make_run):
    run, record, _, _ = train(make_trainer, make_data, make_run, scripted(0.5, 0.9, 0.7))
    assert record.time["train_s"] == pytest.approx(sum(line["seconds"] for line in run.read_metrics()))
    assert record.time["eval_s"] > 0
    assert record.memory["kind"] == "process"


def test_a_failure_keeps_the_epochs_before_it(make_trainer, make_data, make_run, silent):
    trainer = make_trainer(data=make_data(measure=scripted(0.5)))
    run, record = make_run("run")

    class Poison:
        def log(self, line):
            with torch.no_grad():
                trainer.adapted.model.classifier.weight[0, 0] = torch.nan

    with pytest.raises(RunFailure, match="step 6"):
        fit(trainer, run, record, Poison())
    kept = RunRecord.from_json(run.record.read_text())
    assert (kept.status, kept.final["epoch"], len(run.read_metrics())) == ("running", 1, 1)


def test_predictions_of_the_best_and_the_last_epoch_are_kept(make_trainer, make_data, make_run):
    run, record, *_ = train(make_trainer, make_data, make_run, scripted(0.5, 0.9, 0.7, 0.6), epochs=4)
    rows = pq.read_table(run.predictions).to_pylist()
    assert {row["epoch"] for row in rows} == {2, 4}
    best = run.read_predictions(2, "validation")
    assert best.ids.tolist() == list(range(17)) and len(rows) == 2 * 17
    assert record.predictions == {"validation": digest_of(best)} and "predictions.parquet" in record.files
    for row in rows:
        assert sum(row["scores"]) == pytest.approx(1, abs=1e-6)
        assert row["scores"][row["prediction"]] == max(row["scores"])


def test_evaluated_once_the_selected_epoch_is_scored_with_its_own_weights(make_trainer, make_data, make_run):
    held = {"holdout": 5, "selection": "holdout", "epochs": 3, "lr": {"backbone": 1e-2, "head": 1e-1}}
    each, every, _, _ = train(make_trainer, make_data, make_run, score, **held)
    expected = each.read_predictions(every.best["epoch"], "validation")
    trainer = make_trainer(
        "full_ft", make_data(holdout=5), evaluation="once", **{k: held[k] for k in held if k != "holdout"}
    )
    run, record = make_run("once")
    asked = []
    predict = trainer.data.predict
    trainer.data.predict = lambda model, batch: asked.append(len(batch["labels"])) or predict(model, batch)
    fit(trainer, run, record, Watching(trainer))
    assert every.best["epoch"] < 3, "the case needs an epoch that is not the last"
    assert sum(asked) == 3 * 5 + 17
    assert record.best == record.final
    assert record.best == every.best
    assert digest_of(run.read_predictions(record.best["epoch"], "validation")) == digest_of(expected)
    lines = run.read_metrics()
    assert [("accuracy" in line["eval"]) for line in lines] == [n == record.best["epoch"] for n in (1, 2, 3)]
    assert list(record.predictions) == ["validation", "holdout"]


def test_never_evaluated_the_held_out_rows_give_the_score(make_trainer, make_data, make_run):
    data = make_data(holdout=5)
    data.evaluation = {}
    run, record = make_run("never")
    fit(make_trainer("full_ft", data, selection="holdout", evaluation="never"), run, record, Watching(None))
    assert (
        record.best["metrics"] == {"holdout_accuracy": record.best["value"]}
        and record.objective == record.best["value"]
    )
    assert list(record.predictions) == ["holdout"]


def test_the_last_epoch_evaluated_once(make_trainer, make_data, make_run):
    _, record, epoch, _ = train(make_trainer, make_data, make_run, scripted(0.4), selection="last", evaluation="once")
    assert (record.best["value"], record.best["epoch"], epoch) == (0.4, 3, 3)
