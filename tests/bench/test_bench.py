"""The benchmarks measure what they say and check the results before they time anything."""

import dataclasses

import pytest
import torch

from frod_bench.adapters.frod import FrodLinear
from frod_bench.bench import check, ops, step
from frod_bench.bench.check import check_against_peft
from frod_bench.bench.contenders import CONTENDERS, adapt, build
from frod_bench.bench.init import bench_init
from frod_bench.bench.names import FROD_VARIANTS, PEFT, SHAPES, USUAL
from frod_bench.bench.ops import bench_ops
from frod_bench.bench.peak import peak_bytes
from frod_bench.bench.shapes import timed_backbone
from frod_bench.bench.start import bench_start
from frod_bench.bench.step import bench_step
from frod_bench.bench.timing import Stepper, ratio, spread, take_turns
from frod_bench.errors import RunFailure
from frod_bench.methods import make_method, method_names


class Quiet:
    def say(self, what):
        pass


@pytest.mark.parametrize("name", SHAPES)
def test_every_architecture_takes_a_step_with_frod(name, setting):
    arch = timed_backbone(name)
    small = dataclasses.replace(setting, architecture=arch, length=arch.length and 4, layers=1, narrow=8)
    stepper = Stepper(build("frod", small), small.inputs())
    before = [p.clone() for p in stepper.model.parameters() if p.requires_grad]
    stepper.step()
    after = [p for p in stepper.model.parameters() if p.requires_grad]
    assert len(before) > 2 and any(not torch.equal(a, b) for a, b in zip(after, before, strict=True))


@pytest.mark.parametrize("name", CONTENDERS)
def test_every_contender_starts_as_the_same_function(name, setting):
    expected = setting.model().eval()(**setting.inputs()).logits
    found = build(name, setting).eval()(**setting.inputs()).logits
    stated = make_method(name).start_error if name in method_names() else 0.0
    if stated > 1e-4:  # a base in four bits, or the base on average only
        assert 0 < (found - expected).norm() <= 5 * stated * expected.norm()  # stated of one layer
    else:
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_the_names_that_can_be_typed_are_those_that_can_be_built():
    assert set(CONTENDERS) == {"base", *method_names(), *FROD_VARIANTS, *PEFT}


def test_the_full_size_is_the_papers():
    counts = {"clip_vit_b32": 87e6, "roberta_large": 355e6, "llama2_7b": 6.6e9, "minilm": 22.7e6}
    counts |= {"clip_vit_l14": 303e6, "vit_l16": 303.3e6, "llama2_13b": 12.85e9}
    for name in SHAPES:
        arch = timed_backbone(name)
        model = arch.build(arch.layers, torch.float32, torch.device("meta"))
        assert sum(p.numel() for p in model.parameters()) == pytest.approx(counts[name], rel=0.02)


def test_ours_agrees_with_peft_on_every_architecture(setting):
    assert 0 < max(check_against_peft(setting).values()) < 1e-5


@pytest.mark.parametrize("bench", [bench_step, bench_init])
def test_nothing_is_timed_when_the_check_fails(bench, setting, monkeypatch):
    monkeypatch.setattr(check, "LEARNING_RATE", 1e-4)
    monkeypatch.setattr(check, "PEFT_SEED", 99)  # another pattern than PEFT draws
    with pytest.raises(RunFailure, match="nothing is timed"):
        bench(setting, ["frod"], 1, Quiet())


def test_a_step_has_a_row_for_every_contender(setting, monkeypatch):
    monkeypatch.setattr(step, "peak_bytes", lambda name, setting: 2**20)  # a process each, which takes seconds
    found = bench_step(setting, list(USUAL), 2, Quiet())
    rows = {row["contender"]: row for row in found["rows"]}
    assert tuple(rows) == USUAL
    for row in rows.values():
        assert 0 < row["low_ms"] <= row["median_ms"] <= row["high_ms"]
        assert row["gflop"] > 0 and row["of_gemm_rate"] > 0 and row["evaluation_ms"] > 0
    assert rows["base"]["evaluation_over_base"] == 1 and rows["frod"]["evaluation_over_base"] > 0
    assert rows["base"]["trainable"] == 48 * 10 + 10  # the head alone
    assert rows["lora"]["time_over_lora"] == rows["peft_frod"]["time_over_peft"] == 1
    assert rows["frod"]["time_over_peft"] > 0
    assert "time_over_peft" not in rows["lora"]  # PEFT's own does not run here
    assert rows["frod"]["trainable"] == rows["peft_frod"]["trainable"]
    # the frozen targets: 4 layers of 4 x 48 x 48 and 2 x 48 x 192, ten tokens, four operations a weight
    assert found["floor"]["gflop"] * 1e9 == 4 * 10 * 4 * (4 * 48 * 48 + 2 * 48 * 192)


def test_evaluation_is_timed_as_a_run_evaluates(setting):
    """No pass looks whether the parameters have changed, as the trainer promises that they do not."""
    model, adapted = adapt("frod", setting)
    stepper, promised = Stepper(model, setting.inputs(), adapted), []
    layers = [module for module in model.modules() if isinstance(module, FrodLinear)]
    model.register_forward_pre_hook(
        lambda *_: promised.append(not model.training and all(x.formed.expected_passes for x in layers))
    )
    take_turns({"frod": stepper}, 2, Quiet())
    assert promised == [False] * 4 + [True] * 3  # two steps to warm up and two timed; one evaluation and two timed
    assert len(stepper.evaluation_seconds) == 2 and not any(layer.formed.expected_passes for layer in layers)


def test_a_step_trains_on_the_methods_own_term(setting):
    model, adapted = adapt("goat", setting)
    Stepper(model, setting.inputs(), adapted).step()
    assert adapted.auxiliary_loss() == 0.0  # taken


def test_a_ratio_is_that_of_the_same_round():
    assert ratio([1.0, 30.0, 2.2], [2.0, 60.0, 2.0]) == 0.5


def test_the_peak_holds_the_activations(setting):
    large = dataclasses.replace(setting, batch=2000)
    intermediate = 4 * 2000 * 5 * 192 * 4  # bytes of one activation in each of four layers
    assert 2 * intermediate < peak_bytes("frod", large) < 100 * intermediate


def test_initialisation_and_its_cache(setting, monkeypatch, tmp_path):
    monkeypatch.setenv("FROD_BENCH_CACHE", str(tmp_path))
    rows = {row["contender"]: row for row in bench_init(setting, ["peft_frod", "frod"], 1, Quiet())["rows"]}
    assert set(rows) == {"peft_frod", "frod", "frod, cached"}
    assert all(row["seconds"] > 0 for row in rows.values())
    assert 0 < rows["frod"]["max_reconstruction_error"] < 1e-5
    assert list(tmp_path.iterdir()) == []  # the user's own cache is not touched


def test_the_start_is_the_base_model(setting):
    rows = bench_start(setting, ["frod_residual", "frod_merged", "frod_factored", "peft_frod"], Quiet())["rows"]
    assert [row["dtype"] for row in rows] == ["fp32"] * 4 + ["bf16"] * 4 + ["fp16"] * 4
    ours = [row for row in rows if row["contender"] != "peft_frod"]
    assert all(row["bit_equal"] and row["evaluation"] == 0 for row in ours)
    assert all(row["training"] < 1e-6 for row in ours if row["dtype"] == "fp32")
    assert not any(row["bit_equal"] for row in rows if row["contender"] == "peft_frod")


def test_operations_are_checked_and_the_choice_is_compared(setting, monkeypatch):
    found = bench_ops(setting, 1, Quiet())
    assert {(row["m"], row["n"]) for row in found["rows"]} == {(48, 48), (48, 192), (192, 48)}
    assert len(found["products"]) == 2 * 3 * 3
    monkeypatch.setattr(ops, "diag_sparse_product", lambda pattern, values, diagonal, z: z)
    with pytest.raises(RunFailure, match="nothing is timed"):
        bench_ops(setting, 1, Quiet())


def test_spread():
    assert spread([0.003]) == {"median_ms": 3.0, "low_ms": 3.0, "high_ms": 3.0}
    assert spread([0.001, 0.003, 0.002]) == pytest.approx({"median_ms": 2.0, "low_ms": 1.5, "high_ms": 2.5})
