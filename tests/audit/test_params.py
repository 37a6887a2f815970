"""The counts of the paper's rows against numbers worked out by hand, and which percentages they explain."""

import pytest

from frod_bench.audit.architectures import PAPER_BACKBONES
from frod_bench.audit.params import count_parameters, unexplained
from frod_bench.config.paths import paper_dir
from frod_bench.methods import method_names
from frod_bench.record.identity import STANDS_FOR

# L (21 H^2 s rounded down a module + 9 H) and so on, for L layers of width H
ADAPTERS = {
    ("Table 2", "LoRA"): 1_327_104,
    ("Table 2", "GOAT"): 1_990_656,
    ("Table 2", "VeRA"): 101_376,
    ("Table 2", "RandLoRA"): 718_848,
    ("Table 2", "FRoD(s=0.01)"): 1_569_276,
    ("Table 2", "FRoD(s=0.02)"): 3_055_620,
    ("Table 3", "LoRA"): 56_098_816,
    ("Table 3", "VeRA"): 1_277_952,
    ("Table 3", "RandLoRA"): 51_118_080,
    ("Table 3", "FRoD(s=0.02)"): 65_210_880,
    ("Table 4", "LoRA"): 14_155_776,
    ("Table 4", "GOAT"): 15_925_248,
    ("Table 4", "VeRA"): 258_048,
    ("Table 4", "RandLoRA"): 1_780_416,
    ("Table 4", "FRoD(s=0.02)"): 10_790_760,
    ("", "FuRA"): 3_916_800 + 82_944,
}


@pytest.fixture(scope="module")
def rows():
    return count_parameters(paper_dir() / "params.csv")


def test_backbones_have_their_published_sizes():
    sizes = {name: architecture.parameters() for name, architecture in PAPER_BACKBONES.items()}
    assert sizes == {"clip_vit_b32": 87_456_000, "roberta_large": 354_310_144, "llama2_7b": 6_607_343_616}
    heads = {name: architecture.head() for name, architecture in PAPER_BACKBONES.items()}
    assert heads == {"clip_vit_b32": 150_724, "roberta_large": 1_051_650, "llama2_7b": 8_192}


def test_counts(rows):
    counted = {(row.table, row.row): row.adapter for row in reversed(rows)}
    assert {key: counted[key] for key in ADAPTERS} == ADAPTERS


def test_every_method_and_every_printed_percentage_is_there(rows):
    tables = {table: sum(row.table == table for row in rows) for table in ("Table 2", "Table 3", "Table 4")}
    assert tables == {"Table 2": 10, "Table 3": 9, "Table 4": 9}
    text = (paper_dir() / "params.csv").read_text()
    assert all(f",{method}," in text for method in method_names() if method not in STANDS_FOR)
    assert all(row.note for row in rows)


def test_shares(rows):
    vera = next(row for row in rows if row.row == "VeRA" and row.table == "Table 2")
    assert vera.pct_backbone == pytest.approx(100 * 101_376 / 87_456_000)
    assert vera.pct_with_adapter == pytest.approx(100 * 101_376 / (87_456_000 + 101_376))
    assert vera.pct_head == pytest.approx(100 * 252_100 / 87_606_724)
    assert vera.pct_head_with_adapter == pytest.approx(100 * 252_100 / (87_606_724 + 101_376))
    assert vera.pct_goat == pytest.approx(100 * 101_376 / 88_715_520)


def test_what_no_counting_gives_is_named(rows):
    odd = {(row.table, row.row) for row in unexplained(rows)}
    assert {(t, r) for t, r in odd if r.startswith("FRoD")} == {
        ("Table 2", "FRoD(s=0.01)"),
        ("Table 2", "FRoD(s=0.02)"),
        ("Table 3", "FRoD(s=0.02)"),
        ("Table 4", "FRoD(s=0.02)"),
    }
    assert ("Table 2", "VeRA") not in odd and ("Table 4", "VeRA") in odd
