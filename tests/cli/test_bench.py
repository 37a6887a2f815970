"""`frod-bench bench` from its words to its files."""

import json

import pytest

from frod_bench.cli import run_command

TINY = ["--shape", "minilm", "--layers", "1", "--batch", "1", "--length", "4", "--rounds", "1"]


def test_a_measurement_is_printed_and_written(tmp_path, capsys):
    assert run_command(["bench", "ops", *TINY, "--to", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "chosen over fastest" in out and "torch" in out
    written = json.loads((tmp_path / "ops_minilm_1x1x4_fp32_cpu.json").read_text())
    assert written["setting"]["shape"] == "minilm" and written["environment"]["packages"]["torch"]
    assert (tmp_path / "ops_minilm_1x1x4_fp32_cpu.md").read_text() in out


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--contenders", "frood"], ["frood", "frod"]),
        (["--sparsity", "1.5"], ["1.5", "[0, 1]"]),
        (["--layers", "0"], ["--layers 0"]),
        (["--shape", "clip_vit_b32", "--length", "9"], ["--length", "image"]),
        (["--device", "cuda"], ["cuda", "cpu"]),
    ],
)
def test_what_cannot_be_measured_is_named(words, named, capsys):
    assert run_command(["bench", "step", *words]) == 2
    error = capsys.readouterr().err
    assert all(word in error for word in named) and "Traceback" not in error


def test_a_place_that_cannot_be_written(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert run_command(["bench", "ops", *TINY, "--to", str(tmp_path / "file" / "x")]) == 2
    assert "--to" in capsys.readouterr().err


@pytest.mark.parametrize("what", ["step", "init", "start", "ops", "memory_model", "scaling"])
def test_each_measurement_explains_itself(what, capsys):
    with pytest.raises(SystemExit) as end:
        run_command(["bench", what, "--help"])
    out = capsys.readouterr().out
    assert end.value.code == 0
    assert out.startswith(f"usage: frod-bench bench {what} ") and f"frod-bench bench {what} --" in out
