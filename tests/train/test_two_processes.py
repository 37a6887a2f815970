"""Two processes on one machine give what one gives, for every method, in one launch each."""

import json
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from safetensors.torch import load_file

from frod_bench.methods import method_names
from frod_bench.record import find_records


@pytest.fixture(scope="module")
def two_ranks():
    """Return the script as a module."""
    spec = spec_from_file_location("two_ranks", Path(__file__).parents[2] / "scripts/two_ranks.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_two_processes_take_the_steps_of_one(two_ranks, tmp_path, capfd):
    """The script exits with 1 where a loss differs by more than 1e-5 or a metric at all."""
    code = two_ranks.main(f"--steps 2 --out {tmp_path} --to {tmp_path}".split())
    assert code == 0, capfd.readouterr()
    rows = json.loads((tmp_path / "two_ranks.json").read_text())["rows"]
    assert [row["method"] for row in rows] == [name for name in method_names() if name != "peft"]  # which needs a type
    assert all(row["steps"] == 2 and row["evaluation_rows"] == 21 for row in rows)
    runs = find_records(tmp_path / "2")
    assert len(runs.runs) == len(rows) and not runs.broken
    assert {len(run.metrics) for run in runs.runs} == {2}
    decompositions = len(list((tmp_path / "cache2/decompositions").glob("*.safetensors")))
    assert 0 < decompositions == len(list((tmp_path / "cache1/decompositions").glob("*.safetensors")))


@pytest.mark.slow
def test_two_processes_that_split_the_weights_take_the_steps_of_one(two_ranks, tmp_path, capfd):
    """FRoD splits a buffer of its own, DoRA reads whole weights in forward, QLoRA's are integers, full_ft has no
    frozen ones; what is written is whole again."""
    names = ["frod", "dora", "qlora", "full_ft"]
    code = two_ranks.main(f"--shard --methods {','.join(names)} --steps 2 --out {tmp_path} --to {tmp_path}".split())
    assert code == 0, capfd.readouterr()
    rows = json.loads((tmp_path / "two_ranks_shard.json").read_text())["rows"]
    assert [(row["method"], row["steps"], row["evaluation_rows"]) for row in rows] == [(name, 2, 21) for name in names]
    for one in sorted((tmp_path / "1").rglob("adapter_model.safetensors")):
        wanted, found = load_file(one), load_file(tmp_path / "2" / one.relative_to(tmp_path / "1"))
        assert wanted.keys() == found.keys()
        for name, value in wanted.items():  # AdamW makes a step of its own of a gradient that is only rounding
            assert (found[name] - value).norm() <= 1e-3 * value.norm(), name
    words = ["train.epochs=1", "method=full_ft", "task=commonsense/boolq"]
    assert len(two_ranks.train(1, words, tmp_path)["full_ft"].metrics) == 1  # not the run of two steps beside it
