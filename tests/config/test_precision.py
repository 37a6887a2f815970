"""`train.precision=auto` is decided once for a machine, and a second command needs no torch to know."""

import subprocess
import sys

import hydra
import pytest
from hydra.core.global_hydra import GlobalHydra

from frod_bench.config import precision
from frod_bench.config.catalogue import identity
from frod_bench.config.paths import config_dir
from frod_bench.config.precision import fastest_precision
from frod_bench.config.recipe import register_resolvers
from frod_bench.config.resolve import resolve


@pytest.fixture
def rates(monkeypatch, tmp_path):
    """Set the rates that a measurement finds; returns how often it measured."""
    monkeypatch.setenv("FROD_BENCH_CACHE", str(tmp_path / "cache"))
    calls = []

    def set_to(fp32, bf16):
        monkeypatch.setattr(precision, "_measured", lambda device: calls.append(device) or {"fp32": fp32, "bf16": bf16})
        return calls

    return set_to


@pytest.mark.parametrize(("fp32", "bf16", "expected"), [(1e11, 2e11, "bf16"), (1e11, 1.2e11, "no"), (9e10, 1e9, "no")])
def test_bf16_is_taken_where_it_pays(rates, capsys, fp32, bf16, expected):
    rates(fp32, bf16)
    assert fastest_precision("cpu") == expected
    assert f"train.precision=auto is {expected} on this machine" in capsys.readouterr().out


def test_a_machine_does_not_change_its_mind(rates, monkeypatch):
    calls = rates(1e11, 2e11)
    assert fastest_precision("cpu") == "bf16"
    rates(2e11, 1e11)
    assert fastest_precision("cpu") == "bf16" and len(calls) == 1
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "avx2")  # another instruction set is another machine
    assert fastest_precision("cpu") == "no"


@pytest.mark.parametrize("text", ["", "[]", '{"fp32": 1}'])
def test_a_damaged_entry_is_measured_again(rates, text):
    rates(1e11, 2e11)
    fastest_precision("cpu")
    (entry,) = precision.cache_folder("precision").iterdir()
    entry.write_text(text)
    assert fastest_precision("cpu") == "bf16"


def test_a_cache_that_cannot_be_written_costs_a_warning(rates, monkeypatch, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FROD_BENCH_CACHE", str(tmp_path / "file"))
    rates(1e11, 2e11)
    assert fastest_precision("cpu") == "bf16"
    assert "cannot be written" in capsys.readouterr().err


def test_a_remembered_answer_needs_no_torch(rates):
    rates(1e11, 2e11)
    fastest_precision("cpu")
    code = (
        "import sys; from frod_bench.config.precision import fastest_precision; print(fastest_precision('cpu'));"
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "bf16\n")


def test_a_configuration_has_the_answer_and_its_identity(rates):
    rates(1e11, 2e11)
    register_resolvers()
    GlobalHydra.instance().clear()
    words = ["profile=smoke", "method=lora", "train.device=cpu"]
    with hydra.initialize_config_dir(str(config_dir()), version_base="1.3"):
        auto, bf16 = (
            resolve(hydra.compose("config", [*words, f"train.precision={value}"])) for value in ("auto", "bf16")
        )
    assert auto["train"]["precision"] == "bf16" and identity(auto) == identity(bf16)
