"""`frod-bench merge`: one run at scale 1 is that run; scores with each task's head; scales from held-out rows."""

import json

import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

from frod_bench.cli.merge_arguments import HOWS
from frod_bench.errors import RequestError
from frod_bench.merging import algorithms
from frod_bench.record.merge_record import read_merge

TASKS = ("glue/rte", "glue/cola")


@pytest.fixture
def runs(made):
    """Return a function that trains a method on two tasks and returns the folders."""

    def make(*words, tasks=TASKS):
        smallest = ("profile=smoke", "train.epochs=2", "data.max_train=16", "data.max_eval=20")
        outputs = [made(*smallest, f"task={task}", *words) for task in tasks]
        return [str(next(folder.rglob(f"{task}/*/seed*"))) for folder, task in zip(outputs, tasks, strict=True)]

    return make


def merged_weights(folder):
    index = json.loads((folder / "model.safetensors.index.json").read_text())
    files = {name: load_file(folder / name) for name in set(index["weight_map"].values())}
    return {name: files[file][name] for name, file in index["weight_map"].items()}


@pytest.mark.parametrize("method", ["frod", "lora", "full_ft"])
@pytest.mark.parametrize("how", ["average", "task_arithmetic"])
def test_one_run_at_scale_one_is_that_run(method, how, runs, bench, tmp_path):
    (run,) = runs(f"method={method}", tasks=TASKS[:1])
    code, out, err = bench("merge", run, "--how", how, "--scale", "1", "--to", str(tmp_path / "merged"))
    assert code == 0, err
    (result,) = read_merge(tmp_path / "merged/merge.json").results
    assert result["merged"] == result["single"] and result["share"] == 1.0
    assert f"{100 * result['single']:.2f}" in out

    from frod_bench.runs.trained import TrainedRun

    trained = TrainedRun(tmp_path / run)
    model = trained.adapted().merge()
    weights = dict(trained.body(model))
    found = merged_weights(tmp_path / "merged")
    base = dict(trained.body(trained.base()))
    changed = {name for name, tensor in weights.items() if not torch.equal(tensor, base[name])}
    assert found.keys() == changed and changed
    assert all(torch.equal(found[name], weights[name]) for name in changed)
    head = load_file(tmp_path / "merged/head-0-glue-rte.safetensors")
    assert all(torch.equal(head[name], tensor) for name, tensor in trained.head_state(model).items()) and head


def test_two_tasks_are_the_base_and_the_scaled_sum(runs, bench, tmp_path):
    from frod_bench.runs.trained import TrainedRun

    folders = runs("method=frod")
    code, _, err = bench(
        "merge", *folders, "--how", "task_arithmetic", "--scale", "0.5", "--to", str(tmp_path / "merged")
    )
    assert code == 0, err
    trained = [TrainedRun(tmp_path / folder) for folder in folders]
    base = dict(trained[0].body(trained[0].base()))
    own = [dict(run.body(run.adapted().merge())) for run in trained]
    for name, tensor in merged_weights(tmp_path / "merged").items():
        expected = base[name].double() + 0.5 * sum(weights[name].double() - base[name].double() for weights in own)
        torch.testing.assert_close(tensor.double(), expected, rtol=0, atol=1e-7)
    record = read_merge(tmp_path / "merged/merge.json")
    assert [result["task"] for result in record.results] == list(TASKS)
    assert record.mean_share == pytest.approx(sum(r["merged"] / r["single"] for r in record.results) / 2)
    predicted = pq.read_table(tmp_path / "merged/predictions.parquet")
    assert set(predicted["split"].to_pylist()) == {"0-glue-rte", "1-glue-cola"}
    assert not list((tmp_path / "merged").glob(".*"))
    code, out, _ = bench("report", "multitask", str(tmp_path / "merged"), "--to", str(tmp_path / "report"))
    assert code == 0 and f"{100 * record.mean_share:.1f}" in out
    share = (tmp_path / "report/merges.csv").read_text().splitlines()[1].rpartition(",")[2]
    assert float(share) == pytest.approx(record.mean_share)


def test_a_frozen_head_is_made_again(runs, bench, tmp_path):
    """As with CLIP's zero-shot classifier, whose head no adapter holds."""
    folders = runs("method=lora", "method.head=frozen")
    code, _, err = bench("merge", *folders, "--how", "ties", "--density", "1", "--to", str(tmp_path / "merged"))
    assert code == 0, err
    assert load_file(tmp_path / "merged/head-1-glue-cola.safetensors")


def test_the_scale_is_chosen_on_held_out_rows(runs, bench, tmp_path):
    folders = runs("method=lori", "selection=holdout", "data.max_train=40")
    for how in HOWS:
        code, out, err = bench("merge", *folders, "--how", how, "--scales", "0.01,1", "--to", str(tmp_path / how))
        assert code == 0, err
        record = read_merge(tmp_path / how / "merge.json")
        means = {s: sum(result["holdout"][s] for result in record.results) for s in ("0.01", "1")}
        assert record.scale == float(max(means, key=means.get))
        assert "held-out training rows" in out


def test_several_draws_are_scored_and_the_first_is_written(runs, bench, tmp_path):
    folders = runs("method=frod")
    shown = {}
    for name, words in (("one", ["--seed", "3"]), ("two", ["--seed", "4"]), ("both", ["--seed", "3", "--draws", "2"])):
        code, shown[name], err = bench("merge", *folders, "--how", "dare", *words, "--to", str(tmp_path / name))
        assert code == 0, err
    one, two, both = (read_merge(tmp_path / name / "merge.json") for name in ("one", "two", "both"))
    draws = [result.pop("draws") for result in both.results]
    assert draws == [[a["merged"], b["merged"]] for a, b in zip(one.results, two.results, strict=True)]
    shares = [result.pop("share") for result in both.results]
    assert shares == [pytest.approx(sum(own) / 2 / r["single"]) for own, r in zip(draws, one.results, strict=True)]
    assert both.results == [{key: r[key] for key in r if key != "share"} for r in one.results]
    written, first = merged_weights(tmp_path / "both"), merged_weights(tmp_path / "one")
    assert all(torch.equal(written[name], tensor) for name, tensor in first.items())
    assert "sd: their" in shown["both"] and "sd" not in shown["one"].split()
    assert not list((tmp_path / "both").glob(".*"))


def test_scales_need_rows_that_were_held_out(runs, bench, tmp_path):
    folders = runs("method=lora")
    code, _, err = bench("merge", *folders, "--how", "average", "--scales", "0.5,1", "--to", str(tmp_path / "merged"))
    assert code == 2 and "selection=holdout" in err
    assert not (tmp_path / "merged").exists()


def test_linear_is_for_low_rank_updates(runs, bench, tmp_path):
    folders = runs("method=frod")
    code, _, err = bench("merge", *folders, "--how", "lori_linear", "--to", str(tmp_path / "merged"))
    assert code == 2 and "s B A" in err
    assert not (tmp_path / "merged").exists()


def test_runs_of_two_backbones_are_refused(runs, bench, tmp_path):
    folders = runs("method=lora", tasks=("glue/rte", "vision/digits"))
    code, _, err = bench("merge", *folders, "--how", "average", "--to", str(tmp_path / "merged"))
    assert code == 2 and "other weights" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--scale", "0"], "--scale 0"),
        (["--scales", "0.1,x"], "--scales 0.1,x"),
        (["--density", "0.5"], "drops no entries"),
        (["--seed", "-1"], "--seed -1"),
        (["--draws", "0"], "--draws 0"),
        (["--draws", "2"], "draws nothing at random"),
    ],
)
def test_a_wrong_value_is_refused(words, message, bench, tmp_path):
    code, _, err = bench("merge", "nowhere", "--how", "average", "--to", str(tmp_path / "merged"), *words)
    assert code == 2 and message in err


def test_what_is_no_run_is_refused(bench, tmp_path):
    code, _, err = bench("merge", "nowhere", "--how", "average", "--to", str(tmp_path / "merged"))
    assert code == 2 and "nowhere" in err


def test_an_edited_record_is_refused(runs, bench, tmp_path):
    (run,) = runs("method=lora", tasks=TASKS[:1])
    bench("merge", run, "--how", "average", "--to", str(tmp_path / "merged"))
    file = tmp_path / "merged/merge.json"
    file.write_text(file.read_text().replace('"average"', '"ties"'))
    with pytest.raises(RequestError, match="edited"):
        read_merge(file)


def test_the_command_knows_every_way():
    assert set(HOWS) == set(algorithms.HOWS)


def test_missing_runs_are_trained_and_every_method_is_merged(bench, tmp_path):
    words = ("merge", "--profile", "smoke", "--methods", "lora,frod", "--tasks", "glue/rte,glue/cola")
    words += ("--how", "average,dare", "--draws", "2", "--to", "merged", "train.epochs=1", "data.max_train=16")
    code, out, err = bench(*words, "data.max_eval=8")
    assert code == 0, err
    assert "4 cells, 0 of them complete already" in out
    files = sorted((tmp_path / "merged").rglob("merge.json"))
    assert [str(file.parent.relative_to(tmp_path / "merged")) for file in files] == [
        *("frod-seed0/average", "frod-seed0/dare", "lora-seed0/average", "lora-seed0/dare"),
    ]
    records = [read_merge(file) for file in files]
    assert [result["method"] for result in records[1].results] == ["frod", "frod"]
    assert [len(result.get("draws") or []) for record in records for result in record.results] == [0, 0, 2, 2] * 2
    before = [file.stat().st_mtime_ns for file in files]
    code, again, err = bench(*words, "data.max_eval=8")
    assert code == 0 and "4 cells, 4 of them complete already" in again
    assert [file.stat().st_mtime_ns for file in files] == before
    assert again.partition("Merged models")[2] == out.partition("Merged models")[2]
    code, _, err = bench(*words, "data.max_eval=8", "--density", "0.5")  # another merge is not put in its place
    assert code == 2 and "merged/lora-seed0/dare" in err


def test_overrides_are_for_runs_that_are_made(bench, tmp_path):
    code, _, err = bench("merge", "somewhere", "seed=1", "--how", "average", "--to", str(tmp_path / "merged"))
    assert code == 2 and "--methods and --tasks" in err
    code, _, err = bench("merge", "--how", "average", "--to", str(tmp_path / "merged"))
    assert code == 2 and "Name the runs to merge" in err
