import subprocess
import sys

import pytest

from frod_bench.cli.report import main
from frod_bench.errors import RequestError
from frod_bench.record import RunDirectory, RunRecord


def store(path, **changes):
    directory = RunDirectory(path)
    directory.claim("0123456789abcdef", "method: {name: lora}\n")
    directory.write_metrics([{"epoch": 1, "train_loss": 0.5, "eval": {"accuracy": 0.8}, "seconds": 3.0}])
    score = {"value": 0.8, "epoch": 1, "metrics": {"accuracy": 0.8}}
    content = {
        "method": "lora",
        "task": "glue/sst2",
        "backbone": "tiny_roberta",
        "profile": "smoke",
        "protocol": "released",
        "selection": "best_on_eval",
        "seed": 0,
        "identity": "0123456789abcdef",
        "metric": {"name": "accuracy", "higher_is_better": True},
        "status": "completed",
        "best": score,
        "final": score,
        "params": {"trainable": 1024, "head": 66, "total": 50_000, "pct_of_backbone": 2.05},
        "samples": {"train": 64, "eval": 32},
        "time": {"init_s": 0.1, "train_s": 3.0, "eval_s": 0.2},
        "memory": {"peak_bytes": 2**29, "kind": "rss"},
        "environment": {"packages": {}, "device": "cpu", "commit": None, "dirty": None},
        "data": {"source": "generated"},
    }
    directory.write_record(RunRecord(**content | changes))
    return path


def test_the_runs_below_outputs_are_shown_by_default(tmp_path, monkeypatch, capsys):
    store(tmp_path / "outputs" / "smoke" / "lora")
    monkeypatch.chdir(tmp_path)
    assert main([]) == 0
    shown = capsys.readouterr()
    assert "80.00" in shown.out
    assert "profile smoke" in shown.out
    assert shown.err == ""


def test_tables_and_figures_are_written_and_named(tmp_path, capsys):
    to = tmp_path / "results" / "demo"
    assert main([str(store(tmp_path / "run")), "--to", str(to)]) == 0
    written = sorted(path.name for path in to.iterdir())
    assert written == ["learning_curves.png", "learning_curves.svg", "report.csv", "report.md"]
    out = capsys.readouterr().out
    assert all(str(to / name) in out for name in written)
    assert "| glue/sst2" in (to / "report.md").read_text(encoding="utf-8")


def test_only_failed_runs_still_give_their_errors_and_no_figure(tmp_path, capsys):
    run = store(tmp_path / "run", status="failed", error="the loss is NaN", best=None, final=None)
    assert main([str(run), "--to", str(tmp_path / "to")]) == 0
    assert "the loss is NaN" in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "to").iterdir()) == ["report.csv", "report.md"]


def test_a_run_below_two_folders_counts_once(tmp_path, monkeypatch, capsys):
    store(tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    assert main([str(tmp_path), "run"]) == 0
    assert capsys.readouterr().err == ""


def test_a_broken_run_is_a_warning(tmp_path, capsys):
    store(tmp_path / "good")
    (store(tmp_path / "bad") / "record.json").write_text("{")
    assert main([str(tmp_path)]) == 0
    shown = capsys.readouterr()
    assert str(tmp_path / "bad" / "record.json") in shown.err
    assert "80.00" in shown.out


def test_of_very_many_warnings_the_first_are_printed(tmp_path, capsys):
    store(tmp_path / "good")
    for number in range(25):
        (store(tmp_path / f"broken{number}") / "record.json").write_text("{")
    assert main([str(tmp_path)]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 21
    assert lines[-1] == "warning: 5 more warnings like these."


def test_a_missing_folder_and_a_folder_without_runs_are_wrong_requests(tmp_path):
    with pytest.raises(RequestError, match=r"no folder .*nowhere"):
        main([str(tmp_path / "nowhere")])
    with pytest.raises(RequestError, match=f"No run to show below {tmp_path}"):
        main([str(tmp_path)])


def test_a_place_that_cannot_be_written_is_a_wrong_request(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RequestError, match="--to"):
        main([str(store(tmp_path / "run")), "--to", str(tmp_path / "file")])


def test_help_has_examples(capsys):
    with pytest.raises(SystemExit) as raised:
        main(["--help"])
    assert raised.value.code == 0
    assert "frod-bench report outputs --to results/demo" in capsys.readouterr().out


@pytest.mark.parametrize("words", [(), ("stats",), ("html",)])
def test_the_help_starts_without_large_libraries(words):
    large = "{'torch', 'hydra', 'matplotlib', 'numpy', 'pandas', 'scipy'}"
    code = (
        "import sys; from frod_bench.cli import run_command\n"
        f"try: run_command(['report', *{words}, '--help'])\n"
        f"finally: assert not {large} & sys.modules.keys(), {large} & sys.modules.keys()"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, stdout=subprocess.DEVNULL).returncode == 0


def test_reports_need_no_torch():
    code = "import sys, frod_bench.report.figures, frod_bench.report.tables; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_of_many_runs_that_cannot_be_read_three_are_named(bench, tmp_path):
    for number in range(5):
        (tmp_path / f"run{number}").mkdir()
        (tmp_path / f"run{number}/record.json").write_text("{")
    code, _, err = bench("report", str(tmp_path))
    assert code == 2 and err.count("record.json") == 3 and err.rstrip().endswith("2 more cannot be read.")
