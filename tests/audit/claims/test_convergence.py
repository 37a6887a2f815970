"""How soon FRoD gets where full fine-tuning ends, beside LoRA, in small records."""

import pytest

from frod_bench.audit import decide
from frod_bench.audit.claim import FAILS, HOLDS, UNDECIDED
from frod_bench.audit.evidence import MissingEvidence

LABELS = "[a, b]"


@pytest.fixture
def cell(store):
    """Returns a function that writes a run of all three methods with one seed: (seed, curve of FRoD, of LoRA)."""

    def write(seed, frod, lora=(0.5, 0.9, 0.9), full=(0.5, 0.8, 0.9), method="sparsity: 0.02", task="{}", **last):
        shared = f"seed: {seed}\ntask: {task}\ntrain: {{epochs: {len(full)}, lr: {{head: %s}}}}\n"
        store("full_ft", full, "method: {name: full_ft}\n" + shared % 1e-3, seed=seed, **last)
        store("lora", lora, "method: {name: lora, rank: 4}\n" + shared % 1e-2, seed=seed)
        store("frod", frod, f"method: {{name: frod, {method}}}\n" + shared % 1e-1, seed=seed)

    return write


@pytest.mark.parametrize(("frod", "verdict"), [([0.9, 0.9, 0.9], HOLDS), ([0.1, 0.2, 0.3], FAILS)])
def test_who_is_there_first_counts(check, cell, frod, verdict, monkeypatch):
    """Ten of ten decide, on a backbone of the paper's."""
    monkeypatch.setattr(decide, "PAPER_BACKBONES", {"minilm"})
    for seed in range(10):
        cell(seed, frod)
    finding = check("convergence")
    assert finding.verdict == verdict
    assert finding.rows[0] == (
        *("minilm", "glue/sst2", 10, 0, pytest.approx(89.1)), *(3, 2, 1 if verdict == HOLDS else None), "head 0.1",
    )  # fmt: skip


def test_every_outcome_has_its_own_count(check, cell):
    curves = {1: [0.9, 0.9, 0.9], 2: [0.5, 0.9, 0.9], 3: [0.5, 0.5, 0.9], None: [0.5, 0.5, 0.5]}
    pairs = [(1, 2), (2, 2), (3, 2), (3, 2), (3, None), (None, 3), (None, 3), (None, 3), (None, None)]
    for seed, (frod, lora) in enumerate(pairs):
        cell(seed, curves[frod], curves[lora])
    finding = check("convergence")
    assert "fewer epochs than LoRA in 1, as many in 1 and more in 2;" in finding.measured
    assert "only FRoD gets there in 1, only LoRA in 3, neither in 1." in finding.measured
    assert "in 2 of the 7 pairs" in finding.measured and finding.verdict == UNDECIDED


def test_sixteen_against_seventeen_decide_nothing(check, cell, monkeypatch):
    monkeypatch.setattr(decide, "PAPER_BACKBONES", {"minilm"})
    for seed in range(33):
        first, second = [0.9, 0.9, 0.9], [0.5, 0.9, 0.9]
        cell(seed, *((first, second) if seed < 16 else (second, first)))
    finding = check("convergence")
    assert finding.verdict == UNDECIDED and "0.48 [0.31, 0.66]" in finding.measured
    assert "pairs of runs of which one is first" in finding.would_take


def test_a_small_backbone_does_not_decide_what_the_paper_says_of_its_own(check, cell):
    for seed in range(10):
        cell(seed, [0.1, 0.2, 0.3])
    finding = check("convergence")
    assert finding.verdict == UNDECIDED and finding.would_take.startswith("Runs on the paper's backbones")


@pytest.mark.parametrize(
    "other",
    [
        {"method": "sparsity: 0.01"},
        {"method": "sparsity: 0.02, pattern: banded"},
        {"method": "sparsity: 0.02, basis: global"},
        {"method": "sparsity: 0.02, head: frozen"},
        {"frod": [0.9], "lora": [0.9], "full": [0.9]},
    ],
)
def test_variants_and_runs_of_one_epoch_are_left_out(check, cell, other):
    for seed in range(5):
        cell(seed, [0.5, 0.9, 0.9])
        cell(10 + seed, **{"frod": [0.9, 0.9, 0.9]} | other)
    assert {row[3] for row in check("convergence").rows} == set(range(5))


def test_a_default_that_is_written_out_is_the_default(check, cell):
    for seed in range(5):
        cell(seed, [0.9, 0.9, 0.9], method="sparsity: 0.02, pattern: random, basis: category")
    assert len(check("convergence").rows) == 5


def test_other_settings_do_not_compare(check, store, cell):
    for seed in range(5):
        cell(seed, [0.5, 0.9, 0.9])
        store("frod", [0.9, 0.9], f"method: {{name: frod, sparsity: 0.02}}\nseed: {seed}\n", seed=seed)
    assert len(check("convergence").rows) == 5


def test_levels_at_chance_are_left_out(check, cell):
    # ten rows judge: one standard error is 16 points above a half, 14 above 0.7
    for seed in range(5):
        cell(seed, [0.9, 0.9, 0.9], task=f"{{label_names: {LABELS}}}")
    low = [0.5, 0.6, 0.66]
    cell(5, low, low, low, task=f"{{label_names: {LABELS}}}")
    one_class = {"accuracy": 0.7, "matthews_correlation": 0.0}
    cell(6, [0.8, 0.8, 0.8], full=[0.8, 0.8, 0.7], task=f"{{label_names: {LABELS}}}", eval=one_class)
    finding = check("convergence")
    assert {row[3] for row in finding.rows} == set(range(5))
    assert " 2 more are left out" in finding.measured


def test_where_neither_gets_there_nothing_is_told(check, cell):
    for seed in range(9):
        cell(seed, [0.5, 0.5, 0.5], [0.5, 0.5, 0.5])
    with pytest.raises(MissingEvidence, match="there are 0"):
        check("convergence")


def test_runs_with_tuned_rates_count_by_their_held_out_scores_and_alone(check, cell, tuned):
    for seed in range(10):
        cell(seed, [0.9, 0.9, 0.9])
    right = [[True] * 8] * 6
    curves = {"full_ft": (0.5, 0.8, 0.9), "lora": (0.5, 0.9, 0.9), "frod": (0.5, 0.6, 0.9)}
    for method, held_out in curves.items():
        tuned(method, right, held_out=held_out)
    finding = check("convergence")
    assert len(finding.rows) == 6 and finding.rows[0][5:8] == (3, 2, 3)
    assert "rates were tuned with equal effort" in finding.measured
    assert "in 0 of the 6 pairs" in finding.measured
    assert "So many pairs show a true share of" in finding.measured


def test_few_tuned_runs_leave_it_to_the_others(check, cell, tuned):
    for seed in range(10):
        cell(seed, [0.9, 0.9, 0.9])
    for method in ("full_ft", "lora", "frod"):
        tuned(method, [[True] * 8], held_out=(0.5, 0.9))
    assert "nothing here tells whether they are its method's best" in check("convergence").measured
