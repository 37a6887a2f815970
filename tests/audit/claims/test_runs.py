"""Claims that are read from our runs and benchmarks."""

import json

import pytest

from frod_bench.audit.claim import FAILS, HOLDS, OPEN
from frod_bench.audit.evidence import Missing

HEAD = "method: {name: vera, head: %s}\nseed: 0\n"


@pytest.mark.parametrize("name", ["selection-worth", "convergence", "head-cost", "overhead", "tan-alpha-band"])
def test_without_runs_there_is_no_verdict(check, name):
    with pytest.raises(Missing) as missing:
        check(name)
    assert missing.value.command.split()[0] in ("make", "frod-bench", "FROD_BENCH_OUT=results/runs/audit")


def test_best_against_last(check, store):
    for _ in range(5):
        store("frod", [0.5, 0.7, 0.6])
        store("lora", [0.5, 0.6, 0.7])
    finding = check("selection-worth")
    assert finding.verdict == FAILS and "5.00 points above" in finding.measured
    assert finding.rows == (("frod", 5, pytest.approx(10), pytest.approx(10), 5), ("lora", 5, 0, 0, 0))


def test_a_best_epoch_that_is_the_last(check, store):
    for _ in range(10):
        store("lora", [0.5, 0.6, 0.7])
    assert check("selection-worth").verdict == HOLDS


def test_a_frozen_head_against_a_trained_one(check, store):
    store("vera", [0.8, 0.9], HEAD % "null")
    store("vera", [0.7, 0.8], HEAD % "frozen")
    store("vera", [0.1], "method: {name: vera, head: frozen}\nseed: 1\n")  # no partner
    finding = check("head-cost")
    assert finding.verdict == FAILS
    assert finding.rows == (("vera", "glue/sst2", 0, 90.0, 80.0, pytest.approx(10)),)


def test_the_band_is_read_from_a_grid_of_runs(check, store):
    for ratio in (0.01, 0.1, 0.5, 1.0, 5.0):
        accuracy = 0.9 if ratio == 0.5 else 0.7
        store("frod", [0.5, accuracy], tan_alpha={"mean": 3 * ratio}, lr_ratio=ratio)
    finding = check("tan-alpha-band")
    assert finding.verdict == FAILS and "9 ratios; the band holds 3" in finding.measured
    assert finding.rows[2] == (0.5, 0.9, 1.5, 1)
    assert "0.1 (70.00" in finding.measured and "others is at 90.00" in finding.measured


def test_ratios_that_are_as_good_as_the_rows_can_tell_are_not_judged(check, store):
    for ratio in (0.01, 0.1, 0.5, 1.0, 5.0):
        store("frod", [0.5, 0.71 if ratio == 0.5 else 0.7], tan_alpha={"mean": 3 * ratio}, lr_ratio=ratio)
    finding = check("tan-alpha-band")
    assert finding.verdict == OPEN and len(finding.rows) == 5
    assert "One standard error of the 10 evaluation rows is 14.49 points" in finding.measured


def test_ratios_on_one_side_of_the_band_are_no_grid(check, store):
    for ratio in (0.01, 0.5, 1.0, 2.0, 5.0):
        store("frod", [0.5, 0.7], tan_alpha={"mean": 3 * ratio}, lr_ratio=ratio)
    with pytest.raises(Missing, match="one side of the band"):
        check("tan-alpha-band")


def test_ratios_are_compared_where_all_of_them_ran(check, store):
    config = "method: {{name: frod, sparsity: {}}}\ntask: {{name: {}}}\ntrain: {{lr: {{sparse: {}}}, batch_size: {}}}\n"

    def run(ratio, accuracy, task="glue/sst2", density=0.02, batch=16):
        text = config.format(density, task, ratio, batch)
        store("frod", [0.5, accuracy], text, task=task, tan_alpha={"mean": ratio}, lr_ratio=ratio)

    for ratio in (0.01, 0.05, 0.5, 1.0):
        run(ratio, 0.9)
        run(ratio, 0.1, task="glue/cola")
        run(ratio, 0.1, density=0.1)
    run(0.1, 0.8)  # the easy task alone
    run(0.1, 1.0, batch=32)
    finding = check("tan-alpha-band")
    assert finding.rows == tuple((r, 0.8 if r == 0.1 else 0.9, r, 1) for r in (0.01, 0.05, 0.1, 0.5, 1.0))
    assert "5 runs of 2 epochs on glue/sst2, each ratio on the same tasks" in finding.measured


def test_ratios_without_a_common_task_are_no_grid(check, store):
    for number, ratio in enumerate((0.01, 0.05, 0.1, 0.5, 1.0)):
        task = f"task: {{name: t{number}}}\n"
        store("frod", [0.5, 0.9], task, tan_alpha={"mean": ratio}, lr_ratio=ratio)
    with pytest.raises(Missing, match="needs the whole grid"):
        check("tan-alpha-band")


@pytest.mark.parametrize(("milliseconds", "verdict"), [(140, HOLDS), (900, FAILS)])
def test_a_step_of_peft_against_lora(check, evidence, milliseconds, verdict):
    times = {"lora": 100, "peft_frod": milliseconds, "frod": 120}
    result = {
        "setting": {"shape": "clip_vit_b32", "layers": 2, "batch": 8, "dtype": "fp32"},
        "environment": {"device": "cpu"},
        "rows": [{"contender": name, "median_ms": time, "gflop": 2} for name, time in times.items()],
    }
    (evidence.bench / "step_x.json").write_text(json.dumps(result))
    (evidence.bench / "step_y.json").write_text(
        json.dumps(result | {"rows": result["rows"][:1]})
    )  # without PEFT's FRoD
    finding = check("overhead")
    assert finding.verdict == verdict and f"{milliseconds / 100:.1f} times as long" in finding.measured
    assert len(finding.rows) == 3
