"""`bench gpu` ends with a table whatever happens to one contender, and within its time."""

import dataclasses

import pytest

from frod_bench.bench import gpu
from frod_bench.bench.contenders import CONTENDERS
from frod_bench.bench.gpu import bench_gpu
from frod_bench.bench.names import GPU, GPU_BLOCKS
from frod_bench.bench.shapes import timed_backbone
from frod_bench.errors import RunFailure
from frod_bench.report.bench import to_markdown


class Quiet:
    def say(self, what):
        pass


@pytest.fixture
def small(monkeypatch, setting):
    """One backbone; those of the paper take minutes at any width."""
    monkeypatch.setattr(gpu, "GPU_BLOCKS", {"minilm": 2})
    return dataclasses.replace(setting, narrow=8)


def measure(setting, names, minutes=5.0, **options):
    return bench_gpu(setting, names, 2, Quiet(), minutes=minutes, batch=2, **options)


def test_every_contender_has_a_measured_and_a_predicted_ratio(small):
    kept = []
    result = measure(small, ["lora", "frod", "frod_short"], keep=lambda found: kept.append(len(found["rows"])))
    rows = {row["contender"]: row for row in result["rows"]}
    assert list(rows) == ["lora", "frod", "frod_short"] and kept == [3]
    assert rows["lora"]["over_lora"] == rows["lora"]["predicted_over_lora"] == 1
    assert all(row["blocks"] == 2 and row["ms"] > 0 and row["attach_s"] > 0 for row in rows.values())
    assert rows["frod"]["predicted_over_lora"] == pytest.approx(rows["frod"]["gflop"] / rows["lora"]["gflop"])
    assert 0 < max(result["check"]["errors"].values()) < 1e-5


def test_what_fails_has_its_reason_and_the_others_their_times(small, monkeypatch):
    def adapt(name, setting, build=gpu.adapt):
        if name == "frod":
            raise MemoryError
        if name == "vera":
            raise ValueError("odd")
        return build(name, setting)

    monkeypatch.setattr(gpu, "adapt", adapt)
    rows = measure(small, ["frod", "vera", "lora"])["rows"]
    assert [row.get("note") for row in rows] == ["out of memory", "ValueError: odd", None]
    assert "ms" in rows[2]


def test_after_its_time_nothing_new_is_started(small):
    with pytest.raises(RunFailure, match="Nothing could be timed: not reached"):
        measure(small, ["lora", "frod"], minutes=1e-9)


def test_nothing_is_timed_where_frod_is_wrong(small, monkeypatch):
    monkeypatch.setattr(gpu, "check_against_peft", lambda setting: (_ for _ in ()).throw(RunFailure("off by 1")))
    with pytest.raises(RunFailure, match="off by 1"):
        measure(small, ["lora"])


def test_the_defaults_name_what_exists():
    assert set(GPU) <= set(CONTENDERS) and gpu.REFERENCE in GPU
    assert all(timed_backbone(name).layers >= blocks for name, blocks in GPU_BLOCKS.items())


def test_a_row_without_a_time_is_in_the_table():
    rows = [
        {"backbone": "minilm", "contender": "lora", "ms": 1.0},
        {"backbone": "minilm", "contender": "frod", "note": "not reached"},
    ]
    place = {"packages": dict.fromkeys(("torch", "transformers", "peft"), "1"), "device": "H200", "commit": None,
             "dirty": None}  # fmt: skip
    text = to_markdown(
        {"what": "gpu", "command": "c", "setting": {"shape": "minilm"}, "environment": place, "rows": rows}
    )
    assert "not reached" in text and "# A training step at the paper's sizes" in text
