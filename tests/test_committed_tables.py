"""The tables in `results/tables` are what the commands of `results/README.md` make of the runs in `results/runs`."""

from pathlib import Path

import pytest

from frod_bench.cli import run_command
from frod_bench.cli.audit_params import main as audit_params

ROOT = Path(__file__).parents[1]
TABLES, RUNS = ROOT / "results/tables", Path("results/runs")
PICTURES = {".png", ".svg"}  # differ between versions of matplotlib

# each is a folder of runs and one of tables
REPORTED = (
    "commonsense_offline",
    "glue_methods",
    "glue_offline",
    "patterns",
    "table3_offline",
    "vision_offline",
    "vision_table2",
)
WITH_STATISTICS = ("glue_methods", "glue_offline", "vision_table2")
COMPARED = {
    "vision_table2": "table2 --seeds 0,1,2 --tasks cars,dtd,eurosat,gtsrb,resisc45,svhn data.max_train=600",
    "table3_offline": "table3 --seeds 0 --tasks boolq,piqa,siqa,winogrande,openbookqa data.source=local"
    " data.max_train=100 data.max_eval=100 train.gradient_accumulation_steps=2",
    "glue_methods": "table4 --seeds 0,1,2 data.source=local data.max_train=1000 data.max_eval=1100"
    " train.precision=bf16",
    "table5_offline": "table5 --tasks resisc45,dtd",
}


@pytest.fixture(autouse=True)
def in_the_root_and_without_pictures(monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("frod_bench.report.figures.learning_curves", lambda sections, folder: [])


def texts(folder):
    return {file.name: file.read_text(encoding="utf-8") for file in folder.iterdir() if file.suffix not in PICTURES}


def report(name, folder, *words):
    """Return the files that the command writes for the runs in the folder of that name."""
    assert run_command(["report", *words, str(RUNS / name), "--to", str(folder)]) == 0
    return texts(folder)


def test_every_committed_table_has_a_test():
    assert {folder.name for folder in TABLES.iterdir() if folder.is_dir()} == {*REPORTED, *COMPARED, "study", "merges"}
    names = {
        "architectures.csv",
        "architectures.md",
        "demo_sst2.csv",
        "demo_sst2.md",
        "explain_scores.md",
        "paired_calibration.md",
        "params.csv",
        "params.md",
    }
    assert texts_at_the_top().keys() == names


def texts_at_the_top():
    return {file.name: file.read_text(encoding="utf-8") for file in TABLES.iterdir() if file.is_file()}


@pytest.mark.parametrize("name", REPORTED)
def test_runs(name, tmp_path):
    made = report(name, tmp_path)
    assert made == {file: text for file, text in texts(TABLES / name).items() if file.startswith("report.")}


@pytest.mark.parametrize("name", WITH_STATISTICS)
def test_statistics(name, tmp_path):
    made = report(name, tmp_path, "stats")
    assert made == {file: text for file, text in texts(TABLES / name).items() if file.startswith("statistics")}


@pytest.mark.slow
@pytest.mark.parametrize("name", COMPARED)
def test_comparisons_with_the_paper(name, tmp_path):
    made = report(name, tmp_path, *COMPARED[name].split(), "--profile", "offline")
    assert made == {file: text for file, text in texts(TABLES / name).items() if file.startswith("table")}


def test_the_merges(tmp_path):
    assert run_command(["report", "multitask", "results/merges", "--to", str(tmp_path)]) == 0
    assert texts(tmp_path) == texts(TABLES / "merges")


def test_the_study(tmp_path):
    assert run_command(["report", "stats", "results/study", "--to", str(tmp_path)]) == 0
    assert texts(tmp_path) == texts(TABLES / "study")


def test_the_demo(tmp_path):
    made, committed = report("demo", tmp_path), texts_at_the_top()
    assert made == {f"report.{kind}": committed[f"demo_sst2.{kind}"] for kind in ("csv", "md")}


@pytest.mark.slow
def test_the_parameters(tmp_path):
    assert audit_params(["--to", str(tmp_path)]) == 0
    assert texts(tmp_path).items() <= texts_at_the_top().items()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "name", "task", "folder"),
    [
        ("4", "patterns", "glue/sst2", "patterns/sst2"),
        ("4", "patterns", "vision/eurosat", "patterns/eurosat"),
        ("6", "table5_offline", "vision/resisc45", "resisc45"),
    ],
)
def test_the_data_of_figures(number, name, task, folder, tmp_path):
    assert run_command(["figure", number, str(RUNS / name), "--task", task, "--to", str(tmp_path)]) == 0
    file = f"figure{number}.csv"
    assert texts(tmp_path)[file] == (ROOT / "results/figures" / folder / file).read_text(encoding="utf-8")
