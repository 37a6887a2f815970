"""The command on small tables; but for one test, with a stand-in for the run that writes a record and no more."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from frod_bench.config.catalogue import identity, settings
from frod_bench.errors import RequestError
from frod_bench.grid.cells import Cell
from frod_bench.grid.missing import Pace
from frod_bench.record import RunDirectory, RunRecord, default_directory, find_records
from frod_bench.runs import complete
from frod_bench.runs.fresh_process import Outcome

WORDS = ("table", "4", "--profile", "smoke", "--methods", "lora", "--tasks", "rte,mrpc", "data.max_train=16")


@pytest.fixture
def outcomes(monkeypatch):
    """Let the cells be made at once, in this process, but for those whose outcome a test puts in by the task."""
    given = {}

    class Processes:
        def __init__(self, job, configs):
            pass

        def run(self, configs, jobs):
            yield from enumerate(map(self.make, configs))

        def make(self, config):
            if (outcome := given.get(config["task"]["name"])) is not None:
                return outcome
            try:
                write(config)
            except RequestError as error:
                return Outcome(2, str(error))
            return Outcome(0, None)

    monkeypatch.setattr("frod_bench.grid.missing.FreshProcesses", Processes)
    return given


def write(config):
    """Leave what a run of this configuration leaves."""
    run = RunDirectory(default_directory(config, identity(config)))
    run.claim(identity(config), yaml.safe_dump(config))
    score = {"value": 0.8, "epoch": 1, "metrics": {"accuracy": 0.8}}
    names = {key: config[key]["name"] for key in ("method", "task", "backbone", "profile")}
    record = RunRecord(
        **names, **{key: config[key] for key in ("protocol", "selection", "seed")},
        identity=identity(config), settings=settings(config),
        status="completed", metric={"name": "accuracy", "higher_is_better": True}, best=score, final=score,
        params={"trainable": 10, "head": 2, "total": 100, "pct_of_backbone": 8.0},
        samples={"train": 4, "eval": 2}, time={"init_s": 0.1, "train_s": 3.0, "eval_s": 0.2},
        memory={"peak_bytes": 2**20, "kind": "process"}, data={"source": "generated"},
        environment={"packages": {}, "device": "cpu", "commit": None, "dirty": None},
    )  # fmt: skip
    run.write_record(record)
    run.release()


def test_a_table_goes_on_past_a_failed_cell_and_later_runs_only_what_is_missing(bench, outcomes, tmp_path):
    outcomes["glue/mrpc"] = Outcome(1, "The loss is nan.")
    code, out, err = bench(*WORDS)
    assert (code, err) == (1, "")
    assert "2 cells, 0 of them complete already" in out
    assert "cell 1 of 2: LoRA on MRPC, seed 0\nfailed: The loss is nan.\n" in out
    assert "cell 2 of 2: LoRA on RTE, seed 0\n" in out
    assert "Table 4: profile smoke" in out
    assert out.endswith("1 of 2 cells failed; the same command tries them again:\n"
                        "  LoRA on MRPC, seed 0: The loss is nan. (exit code 1)\n")  # fmt: skip

    outcomes.clear()
    before = {run.path: run.record for run in find_records(tmp_path).runs}
    code, out, _ = bench(*WORDS)
    assert code == 0
    assert "2 cells, 1 of them complete already" in out and "cell 2 of 2: LoRA on MRPC, seed 0; about 3 s left" in out
    assert before.items() <= {run.path: run.record for run in find_records(tmp_path).runs}.items()
    assert "2 cells, 2 of them complete already\n\nTable 4" in bench(*WORDS)[1]


def test_a_directory_that_holds_something_else_is_left_alone(bench, outcomes, tmp_path):
    assert bench(*WORDS)[0] == 0
    path = next(run.path for run in find_records(tmp_path).runs if run.record.task == "glue/rte")
    shutil.rmtree(path)
    path.mkdir()
    (path / "mine.txt").write_text("no run")
    code, out, _ = bench(*WORDS)
    assert code == 1
    assert "LoRA on RTE, seed 0: The directory" in out and "(exit code 2)" in out
    assert (path / "mine.txt").exists()


def test_a_signal_to_the_run_ends_the_table(bench, outcomes):
    outcomes["glue/mrpc"] = Outcome(143, "SIGTERM. The same command goes on from here.")
    code, out, err = bench(*WORDS)
    assert code == 143
    assert err == "frod-bench: stopped by SIGTERM. The same command goes on from here.\n"
    assert "RTE" not in out


@pytest.mark.slow
def test_an_interrupted_cell_ends_in_a_fresh_process_as_if_it_had_not_been(bench, tmp_path, monkeypatch):
    """The one test here that trains; the processes that it forks import everything once."""
    from frod_bench.train.trainer import Trainer

    evaluate = Trainer.evaluate

    def interrupted(self, *arguments):
        monkeypatch.setattr(Trainer, "evaluate", evaluate)
        os.kill(os.getpid(), signal.SIGTERM)
        return evaluate(self, *arguments)

    def scores():
        return {(r.record.task, r.record.status): (r.record.best, r.record.final) for r in find_records(tmp_path).runs}

    one = ("profile=smoke", "method=lora", "task=glue/rte", "data.max_train=16", "train.epochs=2")
    assert bench(*one)[0] == 0
    whole = scores()
    shutil.rmtree(tmp_path / "outputs")
    monkeypatch.setattr(Trainer, "evaluate", interrupted)
    assert bench(*one)[0] == 143
    assert list(scores()) == [("glue/rte", "interrupted")]

    code, out, err = bench(*WORDS, "train.epochs=2")
    assert (code, err) == (0, "")
    assert "2 cells, 0 of them complete already" in out
    assert "cell 2 of 2: LoRA on RTE, seed 0; about " in out
    assert "Table 4: profile smoke" in out
    assert len(scores()) == 2 and whole.items() <= scores().items()


def test_several_cells_at_a_time_are_named_as_they_end(bench, outcomes):
    outcomes["glue/mrpc"] = Outcome(1, "The loss is nan.")
    code, out, _ = bench(*WORDS, "--jobs", "2")
    assert code == 1
    assert "failed: LoRA on MRPC, seed 0: The loss is nan.\n" in out and "done: LoRA on RTE, seed 0, in 0 s\n" in out
    code, out, err = bench(*WORDS, "--jobs", "0")
    assert code == 2 and "0 is not accepted: a whole number of 1 or more is." in err


def test_the_table_names_what_was_overridden(bench, outcomes):
    code, out, _ = bench(*WORDS, "train.epochs=3")
    assert code == 0
    assert "selection best_on_eval, data generated, max_train 16, overrides train.epochs=3\n" in out


def test_the_time_left_is_that_of_the_same_task_where_it_is_known():
    pace, rte, mrpc = Pace(), Cell("LoRA", "RTE", {}), Cell("LoRA", "MRPC", {})
    assert pace.left([rte]) is None
    pace.add(rte, 10.0)
    pace.add(rte, 20.0)
    assert pace.left([rte, mrpc]) == pytest.approx(30.0)
    pace.add(mrpc, 60.0)
    assert pace.left([rte, mrpc]) == pytest.approx(75.0)


def test_a_table_that_is_not_the_papers_ends_with_the_runs_of_its_cells(bench, outcomes):
    outcomes["glue/mrpc"] = Outcome(1, "The loss is nan.")
    words = ("table", "methods", "--profile", "smoke", "--methods", "lora,fura", "--tasks", "rte,mrpc")
    code, out, err = bench(*words)
    assert (code, err) == (1, "")
    table = out[out.index("profile smoke") :]
    assert [line.split()[:3] for line in table.splitlines() if line.startswith("glue/")] == [
        ["glue/rte", "fura", "1"],
        ["glue/rte", "lora", "1"],
    ]
    outcomes["glue/rte"] = outcomes["glue/mrpc"]
    code, out, err = bench(*words, "data.max_train=8")
    assert (code, err) == (1, "")
    assert "method " not in out  # nothing is complete: no table


@pytest.mark.parametrize("command", [("table", "4"), ("plan", "4")])
def test_a_value_that_no_run_takes_is_refused_before_any_runs(bench, command):
    options = ("--profile", "smoke", "--methods", "lora", "--tasks", "rte")
    code, out, err = bench(*command, *options, "train.epochs=0")
    assert (code, out) == (2, "") and "train.epochs=0" in err
    assert bench(*command, *options, "data.max_train=few")[0] == 2
    assert bench(*command, *options, "--seeds", str(2**40))[0] == 2


def test_a_column_without_data_is_left_out_and_no_failure(bench, outcomes):
    words = ("table", "4", "--profile", "offline", "--methods", "lora", "--seeds", "0")
    code, out, _ = bench(*words, "--tasks", "rte,qqp")
    assert code == 0
    assert "QQP is left out, as it has no data here: nyu-mll/glue/qqp" in out and "cell 1 of 1: LoRA on RTE" in out
    assert bench(*words, "--tasks", "qqp")[0] == 2


def test_cells_in_an_archive_are_complete_and_printed(bench, outcomes, tmp_path):
    words = ("table", "methods", "--profile", "smoke", "--methods", "lora,fura", "--tasks", "rte,mrpc")
    assert bench(*words)[0] == 0
    script = Path(__file__).parents[2] / "scripts/archive_runs.py"
    subprocess.run(
        [sys.executable, str(script), str(tmp_path / "outputs"), "--remove"], check=True, capture_output=True
    )
    assert not list(tmp_path.rglob("record.json")) and len(list(tmp_path.rglob("*.runs.jsonl"))) == 2
    complete._archived.cache_clear()  # read once per process
    code, out, err = bench(*words)
    assert (code, err) == (0, "")
    assert "4 cells, 4 of them complete already" in out
    assert len([line for line in out.splitlines() if line.startswith("glue/")]) == 4
