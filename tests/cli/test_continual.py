"""`frod-bench continual`: one adapter through three tasks, resumable at any stage."""

import json

import pytest
import torch
from safetensors.torch import load_file

from frod_bench.record.continual_record import read_continual

TASKS = "glue/rte,glue/cola,glue/mrpc"
WORDS = ("--profile", "smoke", "--tasks", TASKS, "train.epochs=1", "data.max_train=16", "data.max_eval=24")


@pytest.fixture
def outputs(tmp_path):
    return tmp_path / "outputs"


@pytest.fixture
def sequence(made):
    """LoRA has been through the three tasks."""
    made("continual", "--methods", "lora", *WORDS)


def record_of(outputs, method="lori"):
    (file,) = (outputs / "continual/smoke").glob(f"{method}-*.json")
    return read_continual(file)


def test_three_stages_and_their_matrix(bench, outputs):
    code, out, err = bench("continual", "--methods", "lori", *WORDS)
    assert code == 0, err
    record = record_of(outputs)
    assert record.tasks == TASKS.split(",")
    R = record.matrix
    assert all((R[i][j] is None) == (j > i) for i in range(3) for j in range(3))
    assert record.average == pytest.approx(sum(R[2]) / 3)
    assert record.backward_transfer == pytest.approx((R[2][0] - R[0][0] + R[2][1] - R[1][1]) / 2)
    assert record.forgetting == pytest.approx((max(R[0][0], R[1][0]) - R[2][0] + R[1][1] - R[2][1]) / 2)
    assert f"{100 * R[2][0]:.2f}" in out and "forgetting" in out

    from frod_bench.runs.trained import TrainedRun

    stages = [next(outputs.glob(f"smoke/*/{task}/lori/seed0-*")) for task in record.tasks]
    first, last = (load_file(stage / "adapter/adapter_model.safetensors") for stage in (stages[0], stages[2]))
    A = [name for name in first if name.endswith(".A")]
    assert A and all(torch.equal(first[name], last[name]) for name in A)  # sketches: A is that of the first task
    trained = TrainedRun(stages[0])
    values = trained.adapted().trainable_state()  # the head of the first task and the adapter of the last
    values |= {name: tensor for name, tensor in last.items() if name in values and "classifier" not in name}
    adapted = trained.adapted()
    adapted.load_state(values)
    assert trained.score(adapted.model)[0]["accuracy"] == R[2][0]


def test_the_same_command_goes_on_at_any_stage(sequence, bench, outputs):
    expected = record_of(outputs, "lora")
    (file,) = (outputs / "continual/smoke").glob("*.json")
    last = next(outputs.glob("smoke/*/glue/mrpc/lora/seed0-*"))
    for lost in (file, last / "record.json"):
        lost.unlink()
        code, _, err = bench("continual", "--methods", "lora", *WORDS)
        assert code == 0, err
        found = record_of(outputs, "lora")
        assert found.matrix == expected.matrix
    assert "3 cells, 3 of them complete already" in bench("continual", "--methods", "lora", *WORDS)[1]


def test_every_task_alone_is_a_bound(sequence, bench, outputs):
    assert bench("continual", "--methods", "lora", *WORDS, "--alone")[0] == 0
    record = record_of(outputs, "lora")
    assert record.alone[0] == record.matrix[0][0]
    assert None not in record.alone
    assert len(list(outputs.glob("smoke/*/glue/*/lora/seed0-*"))) == 5  # the first stage is a run of its task alone


def test_joint_training_is_a_bound(sequence, bench, outputs):
    words = ("--methods", "lora", *WORDS, "--joint")
    code, out, err = bench("continual", *words)
    assert code == 0, err
    record = record_of(outputs, "lora")
    (folder,) = outputs.glob("smoke/*/glue/joint-*/lora/seed0-*")
    run = json.loads((folder / "record.json").read_text())
    assert run["task"] == "glue/joint-cola-mrpc-rte" and run["samples"] == {"train": 3 * 16, "eval": 3 * 24}
    scores = run["best"]["metrics"]
    assert record.joint == [scores[f"accuracy_{task}"] for task in ("rte", "cola", "mrpc")]
    assert scores["mean_score"] == run["best"]["value"] == pytest.approx(sum(record.joint) / 3)
    assert f"{100 * run['best']['value']:.2f}" in out and "\njoint " in out
    assert record.alone[1:] == [None, None]
    assert "4 cells, 4 of them complete already" in bench("continual", *words)[1]
    other_order = ("--methods", "lora", "--profile", "smoke", "--tasks", "glue/mrpc,glue/rte,glue/cola", *WORDS[4:])
    code, out, _ = bench("plan", "continual", *other_order, "--joint")
    assert code == 0 and "3 of 4 runs missing" in out  # the run on all tasks is the same for every order

    from frod_bench.runs.trained import TrainedRun

    trained = TrainedRun(folder)
    metrics, _ = trained.score(trained.adapted().model)
    assert metrics == scores  # made again from its files, with every head
    code, _, err = bench("export", str(folder), "--format", "merged", "--to", "out")
    assert code == 2 and "several heads" in err
    code, _, err = bench("predict", str(folder), "rows.csv")
    assert code == 2


def test_tasks_that_are_trained_in_different_ways_are_no_joint_run(bench):
    words = ("--tasks", "glue/rte,glue/cola", "--methods", "lora", "--joint", "protocol=paper")
    code, _, err = bench("continual", *words)
    assert code == 2 and "10 for rte" in err and "train.epochs=VALUE" in err


def test_it_is_planned_without_being_run(bench, outputs):
    code, out, err = bench("plan", "continual", "--methods", "lora,lori", *WORDS, "--seeds", "0,1")
    assert code == 0, err
    assert "12 of 12 runs missing" in out and not outputs.exists()
    code, out, err = bench("plan", "continual", "--methods", "lora", *WORDS, "--alone", "--joint")
    assert code == 0 and "6 of 6 runs missing" in out and "all tasks together" in out


def test_the_report_and_its_heat_map(sequence, bench, outputs, tmp_path):
    assert bench("continual", "--methods", "lora", *WORDS, "--seeds", "0,1")[0] == 0
    code, out, err = bench("report", "multitask", str(outputs), "--to", str(tmp_path / "report"))
    assert code == 0, err
    records = [read_continual(file) for file in (outputs / "continual/smoke").glob("lora-*.json")]
    mean = sum(record.matrix[2][0] for record in records) / 2
    assert len(records) == 2 and f"{100 * mean:.2f}" in out
    assert {file.name for file in (tmp_path / "report").iterdir()} == {
        *("continual.png", "continual.svg", "continual.csv", "multitask.md"),
    }
    rows = (tmp_path / "report/continual.csv").read_text().splitlines()
    assert len(rows) == 1 + 6 and any(row.endswith(f"{mean:.12g}") for row in rows)
    (file, *_) = (outputs / "continual/smoke").glob("lora-*.json")
    file.write_text("{}")
    code, out, err = bench("report", "multitask", str(outputs))
    assert code == 0 and "warning" in err and file.name in err


def test_nothing_to_report_is_said(bench, tmp_path):
    (tmp_path / "empty").mkdir()
    code, _, err = bench("report", "multitask", "empty")
    assert code == 2 and "frod-bench continual" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--tasks", "glue/rte,glue/cola"], "--methods A,B"),
        (["--tasks", "glue/rte", "--methods", "lora"], "two tasks or more"),
        (["--tasks", "glue/rte,glue/rte", "--methods", "lora"], "comes twice"),
        (["--tasks", "glue/rte,vision/digits", "--methods", "lora"], "one backbone"),
        (["--tasks", "glue/rte,glue/colla", "--methods", "lora"], "glue/cola"),
        (["--tasks", "glue/rte,glue/cola", "--methods", "lorra"], "lora"),
        (["--tasks", "glue/rte,glue/cola", "--methods", "lori", "method.mask=make"], "method.mask"),
        (["--tasks", "glue/rte,glue/cola", "--methods", "lori", "seed=1"], "--seeds"),
    ],
)
def test_what_is_no_sequence_is_refused(words, message, bench):
    code, _, err = bench("continual", "--profile", "smoke", *words)
    assert code == 2 and message in err


def test_an_edited_record_is_refused(sequence, bench, outputs):
    (file,) = (outputs / "continual/smoke").glob("*.json")
    file.write_text(json.dumps(json.loads(file.read_text()) | {"average": 1.0}))
    code, _, err = bench("continual", "--methods", "lora", *WORDS)
    assert code == 2 and "edited" in err
