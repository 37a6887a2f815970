"""The committed table of architectures and methods is what the script finds today; a part of it quickly, all slowly."""

import csv
import importlib.util
from pathlib import Path

import pytest
import torch
from transformers import ViTConfig, ViTForImageClassification

from frod_bench.methods import method_names

ROOT = Path(__file__).parents[1]
TABLE = ROOT / "results/tables/architectures.csv"
QUICK = ("frod", "lora")  # for every architecture; GPT-2, with its Conv1D, has all methods


def _script():
    spec = importlib.util.spec_from_file_location("architectures", ROOT / "scripts/architectures.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


script = _script()


def committed():
    with TABLE.open(newline="", encoding="utf-8") as file:
        rows = [{key.replace(" ", "_"): value for key, value in row.items()} for row in csv.DictReader(file)]
    return {row["architecture"]: row for row in rows}


def test_the_table_has_every_architecture_and_every_method():
    found = committed()
    assert list(found) == list(script.ARCHITECTURES)
    assert set(method_names()) <= set(found["bert"])


@pytest.mark.parametrize("name", script.ARCHITECTURES)
def test_the_parts_and_some_methods_are_as_in_the_table(name, tmp_path):
    one, row = script.example(name), committed()[name]
    assert ", ".join(one.targets) == row["targets"] and ", ".join(one.head) == row["head"]
    for method in method_names() if name == "gpt2" else QUICK:
        assert script.check(one, method, tmp_path / method) == row[method], method


@pytest.mark.slow
@pytest.mark.parametrize("name", script.ARCHITECTURES)
def test_every_method_is_as_in_the_table(name, tmp_path):
    one, row = script.example(name), committed()[name]
    assert {m: script.check(one, m, tmp_path / m) for m in method_names()} == {m: row[m] for m in method_names()}


def test_a_model_that_reads_past_its_layers_is_not_ok(tmp_path):
    """The check itself can fail: what is read past a layer knows of no adapter, and of the merged weight."""

    class Past(ViTForImageClassification):
        def forward(self, pixel_values, labels=None):
            logits = super().forward(pixel_values).logits
            past = self.vit.layers[0].mlp.fc1.weight.mean()
            return type("Output", (), {"logits": logits + past, "loss": logits.square().mean()})

    config = ViTConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64)
    config.image_size, config.patch_size = 8, 4

    def build():
        torch.manual_seed(0)
        return Past(config).eval()

    batch = {"pixel_values": torch.randn(2, 3, 8, 8)}
    assert script.check(script.Example(build, ["fc1"], ["classifier"], 1, batch), "lora", tmp_path) != "ok"
