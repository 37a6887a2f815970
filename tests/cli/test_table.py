"""The command from end to end on two cells; the processes that it forks import everything once, which takes seconds."""

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from frod_bench.cli.cells import Cell
from frod_bench.cli.table import Pace
from frod_bench.record import RunDirectory

WORDS = ("table", "4", "--profile", "smoke", "--methods", "lora", "--tasks", "rte,mrpc", "data.max_train=16")


def records(root):
    return {file.parent: RunDirectory(file.parent).read_record() for file in root.rglob("record.json")}


def scores(root):
    return {(r.task, r.method, r.seed): (r.status, r.best, r.final) for r in records(root).values()}


def test_a_table_goes_on_past_a_failed_cell_and_later_runs_only_what_is_missing(bench, tmp_path):
    code, out, err = bench(*WORDS, "train.epochs=1")
    assert (code, err) == (0, "")
    assert "2 cells, 0 of them complete already" in out
    assert "cell 1 of 2: LoRA on MRPC, seed 0\n" in out
    assert "cell 2 of 2: LoRA on RTE, seed 0; about " in out
    assert "Table 4: profile smoke" in out
    first = records(tmp_path / "outputs")
    assert {record.status for record in first.values()} == {"completed"}

    rte = next(path for path, record in first.items() if record.task == "glue/rte")
    shutil.rmtree(rte)
    rte.mkdir()
    (rte / "mine.txt").write_text("no run")
    code, out, _ = bench(*WORDS, "train.epochs=1")
    assert code == 1
    assert "2 cells, 1 of them complete already" in out
    assert "1 of 2 cells failed" in out
    assert "LoRA on RTE, seed 0: The directory" in out
    assert "(exit code 2)" in out

    (rte / "mine.txt").unlink()
    code, out, _ = bench(*WORDS, "train.epochs=1")
    assert code == 0
    again = records(tmp_path / "outputs")
    assert {path: (r.best, r.final) for path, r in again.items()} == {p: (r.best, r.final) for p, r in first.items()}


def test_a_table_that_is_killed_leaves_no_process_and_ends_the_same_when_restarted(bench, tmp_path, monkeypatch):
    words = (*WORDS, "train.epochs=3")
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    process = subprocess.Popen(
        [sys.executable, "-m", "frod_bench", *words],
        env=os.environ | {"FROD_BENCH_OUT": str(killed)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # so that whatever it leaves behind can be found
    )
    for line in process.stdout:
        if line.startswith("epoch 1/3"):
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    until = time.monotonic() + 60
    while _alive(process.pid) and time.monotonic() < until:
        time.sleep(0.1)
    assert not _alive(process.pid)
    assert [record.status for record in records(killed).values()] == ["running"]
    for root in (killed, whole):
        monkeypatch.setenv("FROD_BENCH_OUT", str(root))
        assert bench(*words)[0] == 0
    assert scores(killed) == scores(whole)


def _alive(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_time_left_is_that_of_the_same_task_where_it_is_known():
    pace, rte, mrpc = Pace(), Cell("LoRA", "RTE", {}), Cell("LoRA", "MRPC", {})
    assert pace.left([rte]) is None
    pace.add(rte, 10.0)
    pace.add(rte, 20.0)
    assert pace.left([rte, mrpc]) == pytest.approx(30.0)
    pace.add(mrpc, 60.0)
    assert pace.left([rte, mrpc]) == pytest.approx(75.0)
