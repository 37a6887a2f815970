"""`frod-bench figure`: from small finished runs, through the command line."""

import shutil

import pytest

from frod_bench.cli import run_command

RUN = ["profile=smoke", "task=vision/digits", "train.epochs=1", "data.max_train=16"]
PLANE = ["--points", "3", "--rows", "8"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return a folder with a finished run of FRoD, one of LoRA and one of GOAT."""
    folder = tmp_path_factory.mktemp("runs")
    for method in ("frod", "lora", "goat"):
        assert run_command([f"method={method}", *RUN, f"out={folder / method}"]) == 0
    return folder


@pytest.fixture
def runs(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "runs")


def written(folder, name):
    return sorted(file.name for file in folder.iterdir()) == [f"{name}.csv", f"{name}.png", f"{name}.svg"]


def test_landscapes_are_computed_once_and_then_need_no_adapter(bench, runs, tmp_path):
    code, out, err = bench("figure", "5", str(runs), *PLANE, "--to", str(tmp_path / "a"))
    assert code == 0 and str(tmp_path / "a" / "figure5.png") in out
    assert "left out: goat" in err and "depend on the input" in err
    assert written(tmp_path / "a", "figure5")
    lines = (tmp_path / "a" / "figure5.csv").read_text().splitlines()
    panels = [line.partition(",")[0] for line in lines[1:]]
    assert {panel: panels.count(panel) for panel in panels} == {"before training": 9, "frod": 9, "lora": 9}
    for method in ("frod", "lora"):
        shutil.rmtree(runs / method / "adapter")
    assert bench("figure", "5", str(runs), *PLANE, "--together", "4", "--to", str(tmp_path / "b"))[0] == 0
    assert (tmp_path / "b" / "figure5.csv").read_text().splitlines() == lines
    code, _, err = bench("figure", "5", str(runs), "--points", "5", "--rows", "8", "--to", str(tmp_path / "c"))
    assert code == 2 and "adapter" in err


def test_figure_2_shows_the_baselines_from_where_they_start(bench, runs, tmp_path):
    assert bench("figure", "2", str(runs / "lora"), *PLANE, "--to", str(tmp_path / "a"))[0] == 0
    assert "frod" not in (tmp_path / "a" / "figure2.csv").read_text()
    assert bench("figure", "2", str(runs / "frod"), *PLANE, "--to", str(tmp_path / "b"))[0] == 2


def test_figures_4_and_6_are_drawn_from_the_records(bench, runs, tmp_path):
    assert bench("figure", "4", str(runs), "--profile", "smoke", "--to", str(tmp_path / "4"))[0] == 0
    assert written(tmp_path / "4", "figure4")
    assert ",loss,frod,0,1," in (tmp_path / "4" / "figure4.csv").read_text()
    assert bench("figure", "6", str(runs), "--to", str(tmp_path / "6"))[0] == 0
    assert written(tmp_path / "6", "figure6")
    code, _, err = bench("figure", "6", str(runs / "lora"), "--to", str(tmp_path / "6"))
    assert code == 2 and "grid" in err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["4", "--profile", "paper"], "--profile paper"),
        (["4", "--task", "glue/rte"], "--task glue/rte"),
        (["4", "--to", "{file}"], "--to"),
    ],
)
def test_a_wrong_request_says_what_to_type(bench, runs, tmp_path, words, says):
    (tmp_path / "file").write_text("")
    words = [word.format(file=tmp_path / "file") for word in words]
    code, _, err = bench("figure", *words, str(runs))
    assert code == 2 and says in err and "Traceback" not in err


@pytest.mark.parametrize("words", [["3"], ["2", "--points", "4"], ["2", "--rows", "0"], ["2", "--span", "-1"]])
def test_a_wrong_value_is_refused_by_the_parser(words, capsys):
    with pytest.raises(SystemExit) as raised:
        run_command(["figure", *words])
    assert raised.value.code == 2
    assert "usage: frod-bench figure" in capsys.readouterr().err
