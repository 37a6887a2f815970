"""The search for learning rates, with a stand-in for the run; the last test makes real ones."""

import csv
import json
import math

import pytest
import yaml

from frod_bench.config.catalogue import identity, settings
from frod_bench.errors import Diverged
from frod_bench.record import RunDirectory, RunRecord, default_directory, find_records
from frod_bench.runs import complete
from frod_bench.runs.fresh_process import Outcome

WORDS = ("tune", "--profile", "smoke", "--methods", "frod,lora", "--tasks", "glue/sst2")
RECIPE = 1e-2  # every rate of the smoke recipe


@pytest.fixture
def landscape(monkeypatch):
    """Score every run by its head's rate: best at the given multiplier of the recipe's. "diverge" and "fail" are sets
    of multipliers; "made" lists the configurations that were run."""
    given = {"best": 1.0, "diverge": set(), "fail": set(), "made": []}

    class Processes:
        def __init__(self, job, configs):
            pass

        def run(self, configs, jobs):
            yield from enumerate(map(self.make, configs))

        def make(self, config):
            given["made"].append(config)
            multiplier = float(f"{config['train']['lr']['head'] / RECIPE:.3g}")
            if multiplier in given["fail"]:
                return Outcome(1, "The disk is full.")
            if multiplier in given["diverge"]:
                write(config, None)
                return Outcome(1, Diverged.MARK)
            write(config, 0.9 - 0.1 * abs(math.log10(multiplier / given["best"])))
            return Outcome(0, None)

    monkeypatch.setattr("frod_bench.grid.missing.FreshProcesses", Processes)
    monkeypatch.setattr("frod_bench.grid.runnable.count_rows", lambda config: ({}, ""))
    complete._archived.cache_clear()
    return given


def write(config, score):
    """Leave what a run leaves that ended with this score, or that diverged without one."""
    run = RunDirectory(default_directory(config, identity(config)))
    run.claim(identity(config), yaml.safe_dump(config))
    never = config["evaluation"] == "never"
    metrics = {"holdout_accuracy": score} | ({} if never else {"accuracy": 0.5})
    best = {"value": score if never else 0.5, "epoch": 1, "metrics": metrics} if score is not None else None
    names = {key: config[key]["name"] for key in ("method", "task", "backbone", "profile")}
    record = RunRecord(
        **names, **{key: config[key] for key in ("protocol", "selection", "seed")},
        identity=identity(config), settings=settings(config), status="failed" if score is None else "completed",
        error=None if score is not None else Diverged.MARK + "The loss became nan.",
        metric={"name": "accuracy", "higher_is_better": True}, best=best, final=best,
        params={"trainable": 10, "head": 2, "total": 100, "pct_of_backbone": 8.0},
        samples={"train": 56, "eval": 0 if never else 32, "holdout": 8},
        time={"init_s": 0.1, "train_s": 3.0, "eval_s": 0.2}, memory={"peak_bytes": 2**20, "kind": "process"},
        data={"source": "generated"}, environment={"packages": {}, "device": "cpu", "commit": None, "dirty": None},
    )  # fmt: skip
    run.write_record(record)
    run.release()


def tuned(tmp_path, method="frod"):
    (file,) = tmp_path.rglob(f"tuned/**/{method}-*.json")
    return json.loads(file.read_text())


def test_every_method_gets_as_many_trials_and_none_reads_evaluation_rows(bench, landscape, tmp_path):
    code, out, _ = bench(*WORDS)
    assert code == 0
    assert [config["method"]["name"] for config in landscape["made"]] == ["frod"] * 7 + ["lora"] * 7
    for config in landscape["made"]:
        assert (config["protocol"], config["evaluation"], config["selection"]) == ("fair", "never", "holdout")
    assert out.count("chosen") == 2 and "x0.0316" in out and "warning" not in out
    assert tuned(tmp_path)["lr"] == {"diag": RECIPE, "sparse": RECIPE, "head": RECIPE}


def test_a_search_goes_on_where_it_was(bench, landscape, tmp_path):
    landscape["fail"] = {10.0}
    code, out, _ = bench(*WORDS)
    assert code == 1 and "2 trials failed; the same command tries them again" in out
    assert "frod on glue/sst2: not tuned, as a trial failed." in out
    assert not list(tmp_path.rglob("tuned/**/*.json"))
    landscape["fail"], landscape["made"][:] = set(), []
    assert bench(*WORDS)[0] == 0
    assert len(landscape["made"]) == 2
    landscape["made"].clear()
    assert bench(*WORDS)[0] == 0 and landscape["made"] == []


def test_a_trial_that_diverged_is_not_run_again(bench, landscape, tmp_path):
    landscape["diverge"] = {10.0, 31.6}
    code, out, _ = bench(*WORDS)
    assert code == 0 and out.count("diverged") >= 4
    assert [trial["score"] is None for trial in tuned(tmp_path)["trials"]] == [False] * 5 + [True] * 2
    landscape["made"].clear()
    assert bench(*WORDS)[0] == 0 and landscape["made"] == []


def test_when_every_trial_diverges_nothing_is_tuned(bench, landscape, tmp_path):
    landscape["diverge"] = {0.316, 1.0, 3.16}
    code, out, _ = bench(*WORDS, "--trials", "3")
    assert code == 0 and out.count("not tuned, as every trial diverged") == 2
    assert not list(tmp_path.rglob("tuned/**/*.json"))


def test_the_end_of_the_grid_is_a_warning_and_extends_for_all(bench, landscape, tmp_path):
    landscape["best"] = 100.0
    out = bench(*WORDS, "--trials", "3")[1]
    assert out.count("warning: the best multiplier is the highest that was tried") == 2
    landscape["made"].clear()
    bench(*WORDS, "--trials", "3", "--extend", "1")
    assert [config["method"]["name"] for config in landscape["made"]] == ["frod"] * 2 + ["lora"] * 2
    assert tuned(tmp_path)["lr"]["head"] > 3.2 * RECIPE and len(tuned(tmp_path, "lora")["trials"]) == 5


def test_a_fair_run_takes_the_tuned_rates_and_a_fresh_seed(bench, landscape, tmp_path):
    landscape["best"] = 0.1
    bench(*WORDS)
    fair = ("method=frod", "task=glue/sst2", "profile=smoke", "protocol=fair")
    out = bench(*fair, "--cfg", "job")[1]
    code, _, err = bench(*fair, "seed=1000")
    assert code == 2 and "seed=1000 is not accepted" in err and "a fair run needs a fresh one" in err
    code, _, err = bench(*fair, "data.max_train=20")
    assert code == 2 and "The nearest that is tuned differs in data.max_train." in err
    assert "frod-bench tune --profile smoke --methods frod --tasks glue/sst2" in err
    assert out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("train.lr.head=0.1",), "takes its rates from `frod-bench tune`"),
        (("selection=last",), "selects the epoch on held-out rows"),
        (("protocol=released", "evaluation=never"), "add selection=holdout"),
        (("protocol=released", "evaluation=once"), "add selection=holdout or last"),
        (("protocol=released", "evaluation=often"), "evaluation=often is not known"),
        (("protocol=released", "data.holdout=5"), "add selection=holdout"),
        (("protocol=released", "selection=holdout", "data.holdout=0"), "data.holdout=0 is not accepted"),
    ],
)
def test_what_a_fair_run_refuses(bench, words, message):
    code, _, err = bench("method=frod", "task=glue/sst2", "profile=smoke", "protocol=fair", *words)
    assert code == 2 and message in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--trials", "0"), "--trials 0 is not accepted"),
        (("--per-decade", "0"), "--per-decade 0.0 is not accepted"),
        (("--extend", "-1"), "--extend -1 is not accepted"),
        (("--search", "tpe", "--extend", "1"), "--extend is for --search grid"),
        (("--axis", "frod"), "Write a method, a role and factors"),
        (("--axis", "frod:sparse=0"), "Write a method, a role and factors"),
        (("--axis", "frob:sparse=1,3"), "Did you mean frod?"),
        (("--axis", "frod:sparce=1"), "Did you mean sparse?"),
        (("--axis", "frod:sparse=1,3"), "--trials 7 cannot be divided by the 2 values"),
        (("--methods", "frodd"), "Did you mean frod"),
        (("train.lr.head=0.1",), "a search sets the rates"),
        (("seed=3",), "a table sets seed="),
    ],
)
def test_what_a_search_refuses(bench, landscape, words, message):
    code, _, err = bench(*WORDS, *words)
    assert code == 2 and message in err
    assert landscape["made"] == []


def test_a_table_with_protocol_fair_runs_its_trials_first(bench, landscape, tmp_path):
    words = ("table", "4", "--profile", "smoke", "--methods", "frod,lora", "--tasks", "rte,mrpc", "protocol=fair")
    code, out, _ = bench(*words, "--trials", "3", "--seeds", "0,1")
    assert code == 0
    kinds = [config["evaluation"] for config in landscape["made"]]
    assert kinds == ["never"] * 12 + ["once"] * 8
    assert out.index("chosen") < out.index("Table 4: profile smoke, protocol fair")
    assert "What the scores cost" in out and "hours of trials" in out
    found = find_records(tmp_path)
    assert (len(found.runs), len(found.trials)) == (8, 12)
    assert "evaluation=" not in out[out.index("Table 4") :]
    landscape["made"].clear()
    assert bench(*words, "--trials", "3", "--seeds", "0,1")[0] == 0 and landscape["made"] == []


def test_figures_of_an_extended_search_and_of_its_runs(bench, landscape, tmp_path):
    landscape["best"], landscape["diverge"] = 1000, {0.0316}
    assert bench(*WORDS, "--extend", "1")[0] == 0
    words = ("table", "4", "--profile", "smoke", "--methods", "frod,lora", "--tasks", "sst2", "protocol=fair")
    assert bench(*words, "--extend", "1", "--seeds", "0,1")[0] == 0
    code, out, err = bench("figure", "rates", str(tmp_path), "--to", str(tmp_path / "figures"))
    assert code == 0 and "rates.png" in out and "warning" not in err
    rows = list(csv.DictReader((tmp_path / "figures/rates.csv").open()))
    assert len(rows) == 18
    for row in rows:
        head = float(row["rates"].split("head=")[1].split()[0])
        assert head == pytest.approx(RECIPE * float(row["multiplier"]), rel=1e-2)
        assert row["chosen"] == ("yes" if row["multiplier"] == "316.0" else "no")
        assert (row["score"] == "diverged") == (row["multiplier"] == "0.0316")
    assert bench("figure", "rows", str(tmp_path), "--task", "glue/sst2", "--to", str(tmp_path / "figures"))[0] == 0
    drawn = [tuple(row.values()) for row in csv.DictReader((tmp_path / "figures/rows.csv").open())]
    assert [row[:5] for row in drawn] == [("glue/sst2", m, "56", "32", "2") for m in ("frod", "lora")]
    for file in tmp_path.rglob("tuned/**/*.json"):
        file.unlink()
    code, _, err = bench("figure", "rates", str(tmp_path), "--to", str(tmp_path / "figures"))
    assert code == 0 and "1 is the middle of their rates" in err


def test_figures_without_a_search(bench, tmp_path):
    (tmp_path / "empty").mkdir()
    for name in ("rates", "rows"):
        code, _, err = bench("figure", name, str(tmp_path / "empty"))
        assert code == 2 and "No run to show" in err


def test_a_plan_counts_complete_trials_and_tuned_runs(bench, landscape, tmp_path):
    landscape["best"] = 0.1
    words = ("4", "--profile", "smoke", "--methods", "lora", "--tasks", "rte", "protocol=fair", "--seeds", "0,1")
    assert "9 of 9 runs missing" in bench("plan", *words)[1]
    assert bench("table", *words)[0] == 0
    assert "0 of 9 runs missing" in bench("plan", *words)[1]


def test_real_trials_and_a_real_run(bench, smoke, tmp_path):
    words = ("--profile", "smoke", "--methods", "lora", "--tasks", "glue/sst2", "--trials", "2", "data.max_train=24")
    code, out, err = bench("tune", *words, "data.holdout=8")
    assert code == 0, err
    code, out, err = bench(
        "method=lora", "task=glue/sst2", "profile=smoke", "protocol=fair", "data.max_train=24", "data.holdout=8"
    )
    assert code == 0 and "at the selected epoch" in out
    (run,) = find_records(tmp_path).runs
    assert run.record.samples == {"train": 24, "eval": 32, "holdout": 8}
    assert len(run.predictions().ids) == 32 and len(run.predictions("holdout").ids) == 8
    for trial in find_records(tmp_path).trials:
        assert trial.record.samples["eval"] == 0 and list(trial.record.predictions) == ["holdout"]
