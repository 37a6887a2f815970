"""The plan of a merge: how often it scores, and disk and memory against what a real one takes."""

import pytest
import torch

from frod_bench.forecast.device import Device
from frod_bench.forecast.merge import plan_merge
from frod_bench.forecast.plan import PlannedRun
from frod_bench.merging.algorithms import HOWS
from frod_bench.merging.task_vectors import TaskVectors
from frod_bench.runs import merge
from frod_bench.runs.trained import TrainedRun
from frod_bench.train.memory_model import _Live

DEVICE = Device("here", {False: 1e9, True: 1e9}, 2**40, None, "")
TASKS = ("glue/rte", "glue/cola", "glue/mrpc")


def size(folder, names="*"):
    return sum(file.stat().st_size for file in folder.rglob(names) if file.is_file())


@pytest.mark.parametrize("method", ["lora", "full_ft"])
def test_disk_is_what_a_merge_takes_while_it_works_and_after(method, smoke, tmp_path, monkeypatch):
    for task in TASKS[:2]:
        assert smoke(f"method={method}", f"task={task}", "data.max_eval=8")[0] == 0
    folders = [next((tmp_path / "outputs").rglob(f"{task}/*/seed*")) for task in TASKS[:2]]
    working = []
    write = merge.write_shards

    def measured(folder, tensors):
        working.append(size(folder.parent / ".work"))
        write(folder, tensors)
        working.append(size(folder, "model-*"))

    monkeypatch.setattr(merge, "write_shards", measured)
    merge.merge_runs(folders, merge.MergeRequest("average"), tmp_path / "merged")
    runs = [TrainedRun(folder) for folder in folders]
    planned = plan_merge([PlannedRun("a", r.record.task, r.config, None) for r in runs], [], "average", 1, 1, DEVICE)
    # the rest is the headers of small files
    assert working[0] + working[1] == pytest.approx(planned.disk_bytes, rel=0.15)
    assert working[1] == pytest.approx(planned.kept_bytes, rel=0.15)


@pytest.mark.parametrize("how", sorted(set(HOWS) - {"lori_linear"}))
@pytest.mark.parametrize("tasks", [2, 5])
def test_memory_of_a_layer_is_that_of_the_functions_themselves(how, tasks, tmp_path):
    shape = (200, 300)
    generator = torch.Generator().manual_seed(0)
    vectors = TaskVectors(tmp_path / "work")
    vectors.write_base([("w", torch.zeros(shape))])
    for _ in range(tasks):
        vectors.add([("w", torch.randn(shape, generator=generator))], {})
    with _Live("cpu") as live:
        list(vectors.merged(how, HOWS[how].density, 0))
    assert live.peak == pytest.approx(HOWS[how].entry_bytes(tasks) * shape[0] * shape[1], rel=0.01)


def test_every_score_is_counted(config):
    runs = [PlannedRun("FRoD", task, config("frod", sparsity=0.02, task=task), None) for task in TASKS]
    for run in runs:
        run.config["selection"], run.config["data"]["holdout"] = "holdout", 100
    plain = plan_merge(runs, [], "average", 1, 1, DEVICE)
    chosen = plan_merge(runs, [], "ties", 5, 1, DEVICE)
    drawn = plan_merge(runs, [], "dare", 5, 4, DEVICE)
    assert (plain.evaluations, chosen.evaluations, drawn.evaluations) == (3, 3 + 3 * 5, 3 * 4 + 3 * 5)
    assert plain.hours < chosen.hours < drawn.hours
    assert drawn.hours - chosen.hours == pytest.approx(3 * plain.hours)
    assert drawn.disk_bytes > chosen.disk_bytes == plain.disk_bytes
