import importlib
import json
import platform
import shutil
import subprocess
from importlib import metadata

import pytest

from frod_bench.record import environment

module = importlib.import_module("frod_bench.record.environment")


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A git repository with one commit, whose tracked file stands in for the package's source."""
    source = tmp_path / "package" / "source.py"
    source.parent.mkdir()
    source.write_text("x = 1\n")
    monkeypatch.setattr(module, "__file__", str(source))
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    for command in (["init", "-q"], ["add", "."], [*identity, "commit", "-q", "-m", "first"]):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    return source


def test_versions_and_device_are_those_of_this_process():
    found = environment("cpu")
    assert found["device"] == "cpu"
    assert found["packages"]["python"] == platform.python_version()
    assert found["packages"]["numpy"] == metadata.version("numpy")
    assert json.loads(json.dumps(found)) == found


def test_the_cpu_is_told_with_what_its_last_bits_depend_on(monkeypatch):
    import torch

    model, capability, *library = environment("cpu")["cpu"].split(", ")[-3:]
    assert model and capability == torch.backends.cpu.get_cpu_capability()
    assert library == [] or f"BLAS_INFO={library[0]}" in torch.__config__.show()
    monkeypatch.delitem(module.sys.modules, "torch")
    assert environment("cpu")["cpu"] and capability not in environment("cpu")["cpu"]


def test_a_package_that_is_not_installed_is_null(monkeypatch):
    monkeypatch.setattr(module, "_PACKAGES", ("no-such-distribution",))
    assert environment("cpu")["packages"]["no-such-distribution"] is None


def test_a_checkout_is_named_by_its_commit_and_whether_it_was_changed(checkout):
    clean = environment("cpu")
    assert len(clean["commit"]) == 40
    assert clean["dirty"] is False
    checkout.write_text("x = 2\n")
    assert environment("cpu") == clean | {"dirty": True}


def test_what_was_measured_does_not_make_the_code_dirty(checkout):
    results = checkout.parents[1] / "results"
    results.mkdir()
    (results / "table.md").write_text("x")
    assert environment("cpu")["dirty"] is False


def test_a_copy_that_an_outer_checkout_does_not_track_has_no_commit(checkout, monkeypatch):
    copy = checkout.with_name("copy.py")
    shutil.copy(checkout, copy)
    monkeypatch.setattr(module, "__file__", str(copy))
    assert environment("cpu")["commit"] is None


def test_no_git_at_all_is_no_error(checkout, monkeypatch):
    monkeypatch.setenv("PATH", "")
    found = environment("cpu")
    assert found["commit"] is None
    assert found["dirty"] is None
