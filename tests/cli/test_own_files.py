"""A method, a task, a backbone and a table of one's own, from a folder and an installed package."""

import sys
from types import SimpleNamespace

import pytest
import yaml

from frod_bench.record import find_records

# a method that trains biases only (BitFit), as another package would bring it
CODE = """
from dataclasses import dataclass
from typing import ClassVar

from frod_bench.methods.support.adapted import Adapted
from frod_bench.methods.support.injection import train_only_head
from frod_bench.methods.support.method import Method


@dataclass(frozen=True)
class Biases(Method):
    name: ClassVar[str] = "biases"
    roles: ClassVar[tuple[str, ...]] = ("bias", "head")
    draws: ClassVar[bool] = False
    every: int = 1

    def attach(self, model, targets, head, seed=0):
        trained = train_only_head(model, head)
        biases = [p for n, p in model.named_parameters() if n.endswith("bias") and not p.requires_grad][:: self.every]
        for parameter in biases:
            parameter.requires_grad_(True)
        return Adapted(model, self, {"bias": biases, "head": trained}, targets, head, seed)

    def merge(self, adapted):
        pass

    def trainable_parameters(self, shapes):
        return sum(m for m, _ in shapes) // self.every
"""
FILES = {
    "configs/method/biases.yaml": """# @package _global_
method: {name: biases, version: 1, description: biases alone, citation: Ben Zaken et al. 2022, every: 2}
train: {lr: {bias: 0.01, head: 0.02}}
""",
    "configs/task/pets/likes.yaml": """defaults: [/task/glue/_base@_here_, _self_]
name: pets/likes
repo: somebody/pets
config: likes
fields: [sentence]
label_names: [cat, dog]
instruction: Decide whether the sentence is about a cat or a dog.
rows: {train: 3000, validation: 300}
""",
    "configs/backbone/minute.yaml": """defaults: [tiny_roberta, _self_]
name: minute
version: 1
architecture: {num_hidden_layers: 1}
facts: {parameters: 33000, architecture: {num_hidden_layers: 1}}
""",
    "configs/sweep/mine.yaml": """# @package _global_
defaults:
  - override /hydra/sweeper: table

hydra:
  sweeper:
    common: backbone=minute train.epochs=1
    rows: {Biases: method=biases, LoRA: "method=lora method.rank=2,4"}
    columns: {Likes: pets/likes}
    seeds: {paper: "0", offline: "0", smoke: "0"}
""",
    "bias_tuner.py": CODE,
    "bias_tuner-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: bias-tuner\nVersion: 1.0\n",
    "bias_tuner-1.0.dist-info/entry_points.txt": "[frod_bench.methods]\nbiases = bias_tuner:Biases\n",
}
RUN = ("method=biases", "task=pets/likes", "backbone=minute", "profile=smoke", "train.epochs=1")


@pytest.fixture
def configs(tmp_path, monkeypatch):
    """The folder of configuration files; the package beside it is on the path, for child processes as well."""
    for name, text in FILES.items():
        file = tmp_path / "package" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    monkeypatch.syspath_prepend(tmp_path / "package")
    monkeypatch.setenv("PYTHONPATH", ":".join(path for path in sys.path if path))
    yield tmp_path / "package/configs"
    sys.modules.pop("bias_tuner", None)


@pytest.fixture
def seen(monkeypatch):
    """The configurations that would run."""
    given = []
    job = SimpleNamespace(run_advised=lambda config: given.append(config) or 0.5)  # the real one imports torch
    monkeypatch.setitem(sys.modules, "frod_bench.forecast.advised_run", job)
    return given


def set_value(file, key, value):
    content = yaml.safe_load(file.read_text())
    content["method"][key] = value
    file.write_text("# @package _global_\n" + yaml.safe_dump(content))


def test_they_are_listed(bench, configs):
    for kind, name in (("methods", "biases"), ("tasks", "pets/likes"), ("backbones", "minute")):
        code, out, _ = bench("list", kind, "--config-dir", str(configs))
        assert code == 0 and f"{name} " in out
        assert f"{name} " not in bench("list", kind)[1]


def test_a_run_of_all_three_and_its_identity(bench, configs, tmp_path):
    own = ("--config-dir", str(configs))
    code, out, err = bench(*own, *RUN)
    assert (code, err) == (0, "")
    (run,) = find_records(tmp_path / "outputs").runs
    record = run.record
    assert (record.method, record.task, record.backbone) == ("biases", "pets/likes", "minute")
    assert record.params["by_role"].keys() == {"bias", "head"}
    # registered values of a group are not in the identity, but its name and version are, and the rates
    assert record.settings.items() >= {"method.version": 1, "task.version": 1, "backbone.version": 1}.items()
    assert not record.settings.keys() & {"method.every", "task.fields", "backbone.architecture.num_hidden_layers"}
    assert record.settings["train.lr.bias"] == 0.01

    code, out, _ = bench(*own, *RUN)
    assert code == 0 and "complete" in out and len(find_records(tmp_path / "outputs").runs) == 1
    code, out, _ = bench(*own, *RUN, "method.every=2")  # as the file has it
    assert "complete" in out


def test_a_new_version_and_a_typed_value_are_other_runs(bench, configs, seen):
    from frod_bench.config.catalogue import identity
    from frod_bench.config.user_folder import registered

    names = []
    for words in ((), ("method.every=3",)):
        assert bench("--config-dir", str(configs), *RUN, *words)[0] == 0
        with registered(str(configs)):
            names.append(identity(seen[-1]))
    set_value(configs / "method/biases.yaml", "version", 2)
    assert bench(*RUN, f"--config-dir={configs}")[0] == 0
    with registered(str(configs)):
        names.append(identity(seen[-1]))
    assert len(set(names)) == 3


def test_their_table_is_planned_run_and_printed(bench, configs, monkeypatch):
    monkeypatch.setenv("FROD_BENCH_CONFIG_DIR", str(configs))
    code, out, _ = bench("plan", "mine", "--profile", "smoke")
    assert code == 0 and "3 of 3 runs missing" in out
    code, out, err = bench("table", "mine", "--profile", "smoke", "--methods", "biases")
    assert (code, err) == (0, "") and "pets/likes" in out and "biases  " in out, out
    code, out, _ = bench("plan", "mine", "--profile", "smoke")
    assert "2 of 3 runs missing" in out


def test_hydra_and_the_table_command_make_the_same_jobs_of_their_table(bench, configs, seen):
    from frod_bench.config.user_folder import registered
    from frod_bench.grid.cells import compose_cells
    from frod_bench.grid.tables import load_table

    code, _, err = bench("-m", "sweep=mine", "profile=smoke", "-cd", str(configs))
    assert (code, err) == (0, "")
    with registered(str(configs)):
        assert seen == [cell.config for cell in compose_cells(load_table("mine"), "smoke", None, [])]


def broken(file, text):
    def spoil(configs):
        place = configs / file
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    return spoil


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (broken("method/lora.yaml", "{}"), "has the name of a file of frod-bench"),
        (broken("task/pets/likes.yaml", "name: pets/likes\n"), "has no version. Add version: 1"),
        (broken("task/pets/likes.yaml", "name: likes\nversion: 1\n"), "must set name: pets/likes"),
        (broken("backbone/minute.yaml", "name: [\n"), "minute.yaml cannot be read"),
        (
            broken("../bias_tuner.py", "import nothing_of_that_name\n"),
            "bias_tuner:Biases of bias-tuner cannot be loaded",
        ),
        (broken("../bias_tuner.py", "class Biases: pass\n"), "is no subclass of frod_bench.methods"),
    ],
)
def test_what_cannot_be_registered_is_refused(bench, configs, spoil, named):
    spoil(configs)
    code, _, err = bench("--config-dir", str(configs), *RUN)
    assert code == 2 and named in err, err


@pytest.mark.parametrize(
    ("words", "named"),
    [(("--config-dir", "nowhere"), "is not a folder"), (("-cd",), "-cd takes a folder")],
)
def test_a_folder_is_needed(bench, words, named):
    code, _, err = bench(*RUN, *words)
    assert code == 2 and named in err


def test_without_the_folder_there_is_no_such_task(bench):
    code, _, err = bench(*RUN)
    assert code == 2 and "is not known" in err
