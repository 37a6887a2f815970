"""Published rows of merged CLIP models: complete, with the means that their source prints, and never beside others."""

import csv
from statistics import fmean

import pytest

from frod_bench.config.catalogue import choices
from frod_bench.config.paths import paper_dir
from frod_bench.record.merge_record import MergeRecord
from frod_bench.report.published_merges import FILE, beside_published
from frod_bench.report.table import to_markdown

TASKS = [f"vision/{name}" for name in ("sun397", "cars", "resisc45", "eurosat", "svhn", "gtsrb", "mnist", "dtd")]
# the column Average of FusionBench's table, whose rows are rounded
PRINTED = {"zero-shot": 48.2, "alone": 90.3, "joint": 88.6, "average": 66.5, "task_arithmetic": 68.0, "ties": 72.2}
PRINTED |= {"AdaMerging by layer": 82.6, "WUDI": 84.5}


def merge(tasks=TASKS, backbone="clip_vit_b32"):
    result = {"method": "frod", "seed": 0, "metric": "accuracy", "single": 0.9, "share": 0.5}
    results = [result | {"task": task, "merged": 0.4 + place / 100} for place, task in enumerate(tasks)]
    setting = {"profile": "paper", "backbone": backbone}
    return MergeRecord(how="ties", scale=0.3, density=0.2, seed=None, setting=setting, results=results)


def test_means_are_those_that_the_source_prints():
    with (paper_dir() / FILE).open(newline="") as text:
        lines = [line for line in csv.DictReader(text) if line["source"] == "FusionBench"]
    assert set(TASKS) <= set(choices("task"))
    for line in lines:
        assert fmean(float(line[task]) for task in TASKS) == pytest.approx(PRINTED[line["how"] or line["row"]], abs=0.1)
    assert len(lines) == len(PRINTED)


def test_our_merges_stand_above_the_published_ones():
    table = beside_published([merge(TASKS[::-1])], paper_dir())
    alone, merged, *published = table.rows
    assert alone[:3] == ["here", "frod, seed 0", "alone"] and merged[2] == "ties, scale 0.3"
    assert merged[3:] == [pytest.approx(0.4 + (7 - place) / 100) for place in range(8)] + [pytest.approx(0.435)]
    assert {row[0] for row in published} == {"FusionBench", "KnOTS"} and len(published) == 10
    text = to_markdown(table)
    assert "published" in text and "43.5" in text


def test_merges_of_other_tasks_or_backbones_are_not_put_beside_them():
    assert beside_published([merge(TASKS[:4])], paper_dir()) is None
    assert beside_published([merge(backbone="vit_tiny")], paper_dir()) is None
