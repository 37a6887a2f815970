"""The measurement beside the prediction, on a setting whose activations are most of what there is."""

import dataclasses

import pytest

from frod_bench.backbones.architecture import Architecture
from frod_bench.bench.memory_model import bench_memory_model
from frod_bench.bench.scaling import bench_scaling
from frod_bench.config.backbones import RegisteredBackbone


class Quiet:
    def say(self, what):
        pass


def test_the_prediction_is_near_the_measurement(setting):
    large = dataclasses.replace(setting, batch=3000)
    (row,) = bench_memory_model(large, ["frod"], Quiet())["rows"]
    assert row["method"] == "frod" and row["process_mib"] > 0.9 * row["step_measured_mib"] > 100
    assert 0.85 < row["peak_predicted_over_measured"] < 1.15


def test_what_a_method_keeps_for_detaching_is_measured(setting):
    wide = dataclasses.replace(setting, narrow=1, layers=2)
    lora, pissa = bench_memory_model(wide, ["lora", "pissa"], Quiet())["rows"]
    copies = 2 * (4 * 384 * 384 + 2 * 384 * 1536) * 4 / 2**20  # of the adapted weights
    assert pissa["step_measured_mib"] - lora["step_measured_mib"] > 0.9 * copies


def llama(name, hidden):
    values = {"model_type": "llama", "vocab_size": 50, "hidden_size": hidden, "intermediate_size": 2 * hidden}
    values |= {"num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 4}
    targets = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj"]
    return RegisteredBackbone(name, Architecture(values), targets, ["score"], 0, {"dtype": "bfloat16"})


def test_scaling_says_what_is_measured(monkeypatch):
    from frod_bench.bench import scaling

    monkeypatch.setattr(scaling, "FIT", ((32, 2), (32, 4), (64, 2), (64, 4)))
    found = bench_scaling(16, 48, Quiet(), [llama("small", 32), llama("large", 64)])
    assert [(row["model"], row["method"]) for row in found["rows"]] == [
        (name, method) for name in ("small", "large") for method in ("frod", "lora", "full_ft")
    ]
    assert [row["step_how"] for row in found["rows"]] == ["one and two blocks"] * 3 + ["extrapolated"] * 3
    for row in found["rows"]:
        assert row["step_s"] > 0 and 0 < row["predicted_weights_gib"] < row["predicted_step_gib"]
        assert (row["init_s"] is None) == (row["method"] != "frod")
    assert [row["init_how"] for row in found["rows"]][::3] == ["a group of each shape", "from the fit"]
    timed = [(point["n"], point["layers"], point["rows"]) for point in found["decompositions"]]
    assert timed[2:] == [(32, 3, 96), (32, 3, 192)]  # the small model's four projections, and gate and up
    seconds = [point["seconds"] for point in found["decompositions"][2:]]
    assert found["rows"][0]["init_s"] == pytest.approx(4 * seconds[0] + 2 * seconds[1])
