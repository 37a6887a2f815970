"""Merged CLIP ViT-B/32 models beside those that others have published, on the same eight tasks.

The file `merged_clip_vit_b32.csv` holds accuracies in percent from FusionBench (Tang et al. 2024, arXiv 2406.03280;
docs/modelpool/clip_vit.md of its repository) and from KnOTS (Stoica et al. 2025, arXiv 2410.19735;
eval_scripts/8vision_pertask_linearsearch.py of its repository, which holds its single models only).
"""

import csv
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from frod_bench.record.merge_record import MergeRecord, merged_score
from frod_bench.report.table import Column, Table

FILE = "merged_clip_vit_b32.csv"
_BACKBONE = "clip_vit_b32"
_KEYS = ("source", "row", "how")
_OURS = "here"
_NOTE = (
    "All rows but those from here are published: the image tower of the OpenAI weights is tuned (lora: q, k, v"
    " and out), the head is the frozen zero-shot classifier, and scales are 0.3 (FusionBench). Merges of another head,"
    " other epochs or a part of the rows do not compare with them. alone: a model per task; joint: one trained on all."
)


def beside_published(records: Sequence[MergeRecord], folder: Path) -> Table | None:
    """Return the merges of exactly these tasks with this backbone above the published rows in `folder`, or None.

    The single models of our own merges have a row too.
    """
    with (folder / FILE).open(newline="", encoding="utf-8") as text:
        published = list(csv.DictReader(text))
    tasks = [name for name in published[0] if name not in _KEYS]
    own = [r for r in records if r.setting.get("backbone") == _BACKBONE and _tasks(r) == sorted(tasks)]
    if not own:
        return None
    rows = [row for record in own for row in _rows(record, tasks)]
    rows = [row for place, row in enumerate(rows) if row not in rows[:place]]  # single models of several merges
    for line in published:
        scores = [float(line[task]) / 100 for task in tasks]
        rows.append([*(line[key] or None for key in _KEYS), *scores, fmean(scores)])
    names = [task.rpartition("/")[2] for task in tasks]
    columns = [*(Column(name, align="left") for name in ("source", "method", "how"))]
    columns += [Column(name, lambda value: f"{100 * value:.1f}") for name in (*names, "mean")]
    return Table(columns, rows, "CLIP ViT-B/32 on eight tasks, accuracy in percent", [_NOTE], "merges-published")


def _tasks(record: MergeRecord) -> list[str]:
    return sorted(result["task"] for result in record.results)


def _rows(record: MergeRecord, tasks: Sequence[str]) -> list[list[Any]]:
    by_task = {result["task"]: result for result in record.results}
    seeds = "+".join(dict.fromkeys(str(result["seed"]) for result in record.results))
    method = f"{'+'.join(dict.fromkeys(r['method'] for r in record.results))}, seed {seeds}"
    alone = [by_task[task]["single"] for task in tasks]
    merged = [merged_score(by_task[task]) for task in tasks]
    how = f"{record.how}, scale {record.scale:g}"
    return [[_OURS, method, "alone", *alone, fmean(alone)], [_OURS, method, how, *merged, fmean(merged)]]
