"""`frod-bench report stats` and `frod-bench report html`."""

import pytest

from frod_bench.cli import run_command
from frod_bench.record import RunDirectory, RunRecord


@pytest.fixture
def runs(tmp_path):
    """Return a folder with two seeds of two methods."""
    for method, score in (("frod", 0.8), ("full_ft", 0.7)):
        for seed in (0, 1):
            directory = RunDirectory(tmp_path / "runs" / method / str(seed))
            directory.claim("0123456789abcdef", f"method: {{name: {method}}}\nseed: {seed}\n")
            directory.write_metrics([{"epoch": 1, "train_loss": 0.5, "eval": {"accuracy": score}, "seconds": 3.0}])
            best = {"value": score, "epoch": 1, "metrics": {"accuracy": score}}
            record = RunRecord(
                method=method, task="glue/rte", backbone="minilm", profile="offline", protocol="released",
                selection="best_on_eval", seed=seed, identity="0123456789abcdef", status="completed",
                metric={"name": "accuracy", "higher_is_better": True}, best=best, final=best,
                params={"trainable": 10, "head": 2, "total": 100, "pct_of_backbone": 8.0},
                samples={"train": 4, "eval": 2}, time={"init_s": 0.1, "train_s": 3.0, "eval_s": 0.2},
                memory={"peak_bytes": 2**20, "kind": "process"}, data={"source": "packaged"},
                environment={"packages": {"torch": "2.15.0"}, "device": "cpu", "commit": None, "dirty": None},
            )  # fmt: skip
            directory.write_record(record)
    return tmp_path / "runs"


def test_statistics_are_printed_and_written(runs, tmp_path, capsys):
    assert run_command(["report", "stats", str(runs), "--to", str(tmp_path / "out")]) == 0
    assert "+10.00" in capsys.readouterr().out
    names = {"statistics.md", "statistics_scores.csv", "statistics_comparisons.csv"}
    assert names <= {file.name for file in (tmp_path / "out").iterdir()}


def test_the_page_is_written_with_its_title(runs, tmp_path, capsys):
    file = tmp_path / "new" / "report.html"
    assert run_command(["report", "html", str(runs), "--to", str(file), "--title", "Two & two"]) == 0
    assert str(file) in capsys.readouterr().out
    assert "<title>Two &amp; two</title>" in file.read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", ["stats", "html"])
def test_what_cannot_be_done_is_a_wrong_request(kind, runs, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    for words in (
        [str(tmp_path / "nowhere"), "--to", str(tmp_path / "x")],
        [str(runs), "--to", str(tmp_path / "file/x")],
    ):
        assert run_command(["report", kind, *words]) == 2
        assert "Traceback" not in capsys.readouterr().err


def test_a_page_is_a_file_and_no_folder(runs, tmp_path, capsys):
    assert run_command(["report", "html", str(runs), "--to", str(tmp_path)]) == 2
    assert f"is a folder. Give the file: --to {tmp_path / 'report.html'}" in capsys.readouterr().err


def test_the_form_of_peft_is_written_and_shown_beside_ours(runs, tmp_path, capsys):
    assert run_command(["report", "peft-json", str(runs), "--to", str(tmp_path / "theirs")]) == 0
    assert "written: 4 runs" in capsys.readouterr().out
    assert run_command(["report", str(runs), "--with", str(tmp_path / "theirs"), "--to", str(tmp_path / "out")]) == 0
    shown = capsys.readouterr().out
    assert "Beside PEFT's comparison of methods" in shown and "full-finetuning" in shown
    assert (tmp_path / "out/beside.csv").read_text().count("PEFT,") == 4
    assert "Beside PEFT" in (tmp_path / "out/report.md").read_text()


def test_a_wrong_place_beside_ours_is_refused(runs, tmp_path, capsys):
    assert run_command(["report", str(runs), "--with", str(tmp_path / "nowhere")]) == 2
    assert "No result of PEFT's method comparison" in capsys.readouterr().err
