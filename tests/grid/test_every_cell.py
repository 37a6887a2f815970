"""Every method on every suite, and every task by some method, from the command line to the record.

FROD_BENCH_EVERY_CELL=1 runs each task by each method.
"""

import os

import pytest
import yaml

from frod_bench.config.catalogue import choices
from frod_bench.record import RunDirectory

METHODS, TASKS = choices("method"), choices("task")
PAPER = {
    "glue": ["cola", "sst2", "mrpc", "qqp", "mnli", "qnli", "rte"],
    "vision": ["cars", "dtd", "eurosat", "gtsrb", "resisc45", "sun397", "svhn"],
    "commonsense": ["boolq", "piqa", "siqa", "hellaswag", "winogrande", "openbookqa"],
}
BACKBONES = {"glue": "tiny_roberta", "vision": "tiny_clip", "commonsense": "tiny_llama"}
MIXTURE = "commonsense/all"  # has no head in common: it is trained as instructions


def cells():
    every = os.environ.get("FROD_BENCH_EVERY_CELL") == "1"
    for suite in PAPER:
        tasks = [task for task in TASKS if task.startswith(f"{suite}/")]
        for number, method in enumerate(METHODS):
            yield from ((task, method) for i, task in enumerate(tasks) if every or i == number % len(tasks))


def test_the_papers_twenty_tasks_are_there_and_each_has_a_cell():
    assert {f"{suite}/{name}" for suite, names in PAPER.items() for name in names} < set(TASKS)
    assert {task for task, _ in cells()} == {task for task in TASKS if not task.startswith("own/")}
    assert {(task.partition("/")[0], method) for task, method in cells()} == {(s, m) for s in PAPER for m in METHODS}


@pytest.mark.parametrize(("task", "method"), cells())
def test_a_cell_runs(smoke, tmp_path, task, method):
    words = ["protocol=paper"] if task == MIXTURE else []
    words += ["method.type=miss", "method.config.r=8"] if method == "peft" else []
    code, _, err = smoke(f"task={task}", f"method={method}", "data.max_eval=4", "out=run", *words)
    assert (code, err) == (0, "")
    record = RunDirectory(tmp_path / "run").read_record()
    suite = task.partition("/")[0]
    assert (record.status, record.task, record.method) == ("completed", task, method)
    assert record.backbone == BACKBONES[suite]
    assert (record.samples["train"], record.samples["eval"]) == (16, 24 if task == MIXTURE else 4)
    assert 0 <= record.time["data_wait"] <= 1
    config = yaml.safe_load((tmp_path / "run/config.yaml").read_text())
    if suite == "vision":
        assert config["text"] == {"format": None, "max_length": None, "eval_max_length": None}
        assert record.params["head"] == (32 + 1) * len(config["task"]["label_names"])
    if suite == "commonsense":
        assert (record.params["head"] > 0) == (task != MIXTURE)
        assert ("unmatched" in record.best["metrics"]) == (task == MIXTURE)
