"""Claims that are read from our runs and benchmarks."""

import json

import pytest

from frod_bench.audit import decide
from frod_bench.audit.claim import FAILS, HOLDS, UNDECIDED
from frod_bench.audit.evidence import MissingEvidence


@pytest.mark.parametrize("name", ["selection-worth", "convergence", "head-cost", "overhead", "tan-alpha-band"])
def test_without_runs_there_is_no_verdict(check, name):
    with pytest.raises(MissingEvidence) as missing:
        check(name)
    assert missing.value.command.split()[0] in ("make", "frod-bench", "FROD_BENCH_OUT=results/runs/audit")


@pytest.fixture
def own_scale(monkeypatch):
    """Take the small backbone of the records for one of the paper's."""
    monkeypatch.setattr(decide, "PAPER_BACKBONES", {"minilm"})


def test_best_against_last(check, store, own_scale):
    for task in ("glue/rte", "glue/cola"):
        for _ in range(5):
            store("frod", [0.5, 0.7, 0.6], task=task)
            store("lora", [0.5, 0.6, 0.7], task=task)
    finding = check("selection-worth")
    assert finding.verdict == FAILS and "5.00 [5.00, 5.00] points above" in finding.measured
    assert finding.rows == (("frod", 10, pytest.approx(10), pytest.approx(10), 10), ("lora", 10, 0, 0, 0))


def test_a_best_epoch_that_is_the_last(check, store, own_scale):
    for number in range(10):
        store("lora", [0.5, 0.6, 0.7], task=("glue/rte", "glue/cola")[number % 2])
    assert check("selection-worth").verdict == HOLDS


def test_one_task_is_no_sample_of_tasks(check, store, own_scale):
    for _ in range(10):
        store("lora", [0.5, 0.6, 0.7])
    assert check("selection-worth").verdict == UNDECIDED


def heads(store, costs):
    for seed, cost in enumerate(costs):
        for head, accuracy in (("null", 0.9), ("frozen", 0.9 - cost)):
            store("vera", [0.5, accuracy], f"method: {{name: vera, head: {head}}}\nseed: {seed}\n", seed=seed)


@pytest.mark.parametrize(
    ("costs", "verdict"),
    [
        ([0.02, -0.03], UNDECIDED),  # two pairs whose error is many times their mean
        ([0.001, 0.002, 0.001, 0.0], HOLDS),
        ([0.10, 0.11, 0.09, 0.10], FAILS),
    ],
)
def test_a_frozen_head_against_a_trained_one(check, store, own_scale, costs, verdict):
    heads(store, costs)
    store("vera", [0.1], "method: {name: vera, head: frozen}\nseed: 99\n")  # no partner
    finding = check("head-cost")
    assert finding.verdict == verdict and len(finding.rows) == len(costs)
    assert finding.rows[0] == (
        "vera",
        "glue/sst2",
        0,
        90.0,
        pytest.approx(90 - 100 * costs[0]),
        pytest.approx(100 * costs[0]),
    )


def test_a_frozen_head_at_another_scale(check, store):
    heads(store, [0.10, 0.11, 0.09, 0.10])
    assert check("head-cost").verdict == UNDECIDED


def test_the_band_is_read_from_a_grid_of_runs(check, store, own_scale):
    for ratio in (0.01, 0.1, 0.5, 1.0, 5.0):
        accuracy = 0.99 if ratio == 0.5 else 0.1
        store("frod", [0.5, accuracy], tan_alpha={"mean": 3 * ratio}, lr_ratio=ratio)
    finding = check("tan-alpha-band")
    assert finding.verdict == FAILS and "9 ratios; the band holds 3" in finding.measured
    assert finding.rows[2] == (0.5, 0.99, 1.5, 1)
    assert "0.1 (10.00" in finding.measured and "others is at 99.00" in finding.measured


def test_ratios_that_are_as_good_as_the_rows_can_tell_are_not_judged(check, store, own_scale):
    for ratio in (0.01, 0.1, 0.5, 1.0, 5.0):
        store("frod", [0.5, 0.71 if ratio == 0.5 else 0.7], tan_alpha={"mean": 3 * ratio}, lr_ratio=ratio)
    finding = check("tan-alpha-band")
    assert finding.verdict == UNDECIDED and len(finding.rows) == 5
    assert "-1.00 [-40.97, 38.97] points over 10 evaluation rows" in finding.measured


def test_ratios_on_one_side_of_the_band_are_no_grid(check, store):
    for ratio in (0.01, 0.5, 1.0, 2.0, 5.0):
        store("frod", [0.5, 0.7], tan_alpha={"mean": 3 * ratio}, lr_ratio=ratio)
    with pytest.raises(MissingEvidence, match="one side of the band"):
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
    with pytest.raises(MissingEvidence, match="needs the whole grid"):
        check("tan-alpha-band")


@pytest.mark.parametrize(
    ("device", "ms", "verdict"),
    [("cpu, 2 threads", 1, UNDECIDED), ("cuda", 1, HOLDS), ("cuda", 10, FAILS)],
    ids=["another device", "little", "much"],
)
def test_the_sparse_matrix_beside_its_layer(check, evidence, device, ms, verdict):
    product = {"n": 8, "pattern": "random", "ms": ms, "dense_ms": 20}
    result = {
        "setting": {"shape": "clip_vit_b32"},
        "environment": {"device": device},
        "rows": [{"m": 8, "n": 8, "factored_ms": 50}],
        "products": [product, product, product | {"pattern": "banded", "ms": 999}],
    }
    (evidence.bench / "ops_x.json").write_text(json.dumps(result))
    finding = check("overhead")
    assert finding.verdict == verdict and bool(finding.would_take) == (verdict == UNDECIDED)
    assert finding.rows == (("clip_vit_b32", device, 8, 8, 50, 2 * ms / 50, 2 * ms / 40),)
    # 72 layers: s of sum n^2 over sum (n^2 + m n), with 21 x 768^2 and 12 x 768^2 a block
    assert "1.3% of those by U and V" in finding.measured and "would add 64%" in finding.measured
