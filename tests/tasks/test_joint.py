"""Several tasks in one: their own rows, labels that tell the tasks apart, and each task's own score."""

from dataclasses import replace

import pytest
import torch

from frod_bench.errors import RequestError
from frod_bench.tasks.base import HEAD, RowRequest
from frod_bench.tasks.glue import GlueTask
from frod_bench.tasks.joint import JointTask
from frod_bench.tasks.sources.local import LocalSource

REQUEST = RowRequest(text="pair", max_length=32, max_train=9, max_eval=6)


@pytest.fixture
def joint(task):
    other = replace(task, name="glue/other", eval_splits=["validation_mismatched"], metrics=["matthews_correlation"])
    other = replace(other, rows={"train": 99})  # so that it has a note on its size

    def build(*tasks):
        return JointTask(
            name="glue/joint", suite="glue", together=tasks or (task, other), parts={}, rows={}, metrics=[]
        )

    return build


def test_rows_are_those_of_each_task_alone(joint, data_root, tokenizer):
    source, made = LocalSource(str(data_root)), joint()
    data = made.load(source, tokenizer, REQUEST)
    alone = [task.load(source, tokenizer, REQUEST) for task in made.together]
    assert data.samples == {"train": 18, "eval": 12} and data.num_labels == 4
    assert data.label_names == ["no", "yes"] * 2 and made.head_sizes("pair") == [2, 2]
    for place, own in enumerate(alone):
        for rows, part in ((data.train, own.train), (data.evaluation["joint"], own.evaluation[own.reported])):
            found = [rows[number] for number in range(len(rows)) if rows[number][HEAD] == place]
            assert [row["input_ids"] for row in found] == [row["input_ids"] for row in part]
            assert [row["labels"] for row in found] == [row["labels"] + 2 * place for row in part]
    assert data.train["length"] == [*alone[0].train["length"], *alone[1].train["length"]]
    assert len(set(data.row_ids["joint"])) == 12
    assert data.provenance["note"] == f"glue/other: {alone[1].provenance['note']}"
    assert data.provenance["tasks"] == {"glue/toy": alone[0].provenance, "glue/other": alone[1].provenance}
    batch = data.collate([data.train[0], data.train[17]])
    assert batch[HEAD].tolist() == [0, 1] and torch.equal(batch["labels"] // 2, batch[HEAD])


def test_a_hold_out_is_that_of_each_task(joint, data_root, tokenizer):
    source, made, request = LocalSource(str(data_root)), joint(), replace(REQUEST, holdout=4)
    data = made.load(source, tokenizer, request)
    alone = [task.load(source, tokenizer, request) for task in made.together]
    assert data.samples["holdout"] == 8 == len(data.holdout)
    assert [row["input_ids"] for row in alone[1].holdout] == [data.holdout[n]["input_ids"] for n in range(4, 8)]


def test_the_score_is_the_mean_of_the_tasks_own(joint, data_root, tokenizer):
    data = joint().load(LocalSource(str(data_root)), tokenizer, REQUEST)
    references, predictions = [0, 3, 1, 2, 0, 2], [0, 3, 0, 3, 0, 2]
    first = {"accuracy": 2 / 3, "f1": 0.0}  # of the rows 0, 1, 0 -> 0, 0, 0
    second = 0.5  # phi of 1, 0, 0 -> 1, 1, 0
    assert data.measure("joint", predictions, references) == {
        "mean_score": pytest.approx((first["accuracy"] + second) / 2),
        "accuracy_toy": pytest.approx(first["accuracy"]),
        "f1_toy": first["f1"],
        "matthews_correlation_other": pytest.approx(second),
    }
    assert data.metric.name == "mean_score"


def test_a_task_without_a_head_is_refused(joint, task, monkeypatch):
    monkeypatch.setattr(GlueTask, "classes", lambda self, text: None)
    with pytest.raises(RequestError, match="has no heads"):
        joint().head_sizes("instruction")
