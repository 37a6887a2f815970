import re

import pytest
import yaml

from frod_bench.config.catalogue import identity, settings
from frod_bench.record import RunDirectory

WORDS = ("--profile", "smoke", "--methods", "lora", "--tasks", "rte")


@pytest.fixture
def runs(bench, tmp_path):
    """Return a function that makes two copies of one run, with another seed and with other changes."""
    assert bench("profile=smoke", "method=lora", "task=glue/rte", "out=runs/first")[0] == 0

    def copy(name, **changes):
        first, other = RunDirectory("runs/first"), RunDirectory(f"runs/{name}")
        config = yaml.safe_load(first.read_config())
        for key, value in changes.items():
            part, _, leaf = key.partition("__")
            config = config | ({part: config[part] | {leaf: value}} if leaf else {part: value})
        record = first.read_record()
        record.seed, record.identity, record.settings = config["seed"], identity(config), settings(config)
        other.claim(record.identity, yaml.safe_dump(config))
        other.write_metrics(first.read_metrics())
        record.files = other.digests()
        other.write_record(record)

    return copy


def row(out):
    (found,) = [line for line in out.splitlines() if line.startswith("LoRA † ") and " RTE " in line]
    return re.split(r"\s{2,}", found)  # cells hold single spaces


def test_seeds_of_a_cell_come_together_and_other_settings_stay_out(bench, runs, tmp_path):
    code, out, err = bench("report", "table4", "runs", *WORDS)
    assert (code, err) == (0, "")
    assert row(out)[6] == "1"
    runs("second", seed=1)
    runs("long", seed=2, train__epochs=9)
    code, out, _ = bench("report", "table4", "runs", *WORDS, "--seeds", "0,1,2", "--to", "tables")
    assert code == 0
    assert "1 run of these methods and tasks is in no cell: what differs from the table is train.epochs." in out
    assert "data generated" in out
    assert "±" in out
    assert sorted(path.name for path in (tmp_path / "tables").iterdir()) == [
        "table4_smoke.csv", "table4_smoke.md", "table4_smoke.tex",
    ]  # fmt: skip
    code, out, _ = bench("report", "table4", "runs", *WORDS, "--seeds", "0,1,2", "train.epochs=9")
    assert "2 runs of these methods and tasks are in no cell: what differs from the table is train.epochs." in out
    assert row(out)[6] == "1"


def test_other_data_is_a_table_of_its_own(bench, runs):
    runs("half", data__max_train=8)
    runs("elsewhere", seed=1, data__root="somewhere")
    code, out, _ = bench("report", "table4", "runs", *WORDS, "--seeds", "0,1")
    assert code == 0
    titles = [line for line in out.splitlines() if line.startswith("Table 4:")]
    assert [title.partition("data ")[2] for title in titles] == ["generated", "generated, max_train 8"]


@pytest.mark.parametrize(
    ("word", "named"),
    [
        ("train.epochs=9", True),
        ("method.rank=2", True),
        ("train.lr.head=1", True),
        ("data.root=DIR", False),
        ("data.source=local", False),
        ("train.device=cpu", False),
        ("train.gradient_accumulation_steps=2", False),
        ("wandb.mode=offline", False),
        ("checkpoint.every_s=1", False),
        ("selection=last", False),
    ],
)
def test_overrides_of_the_experiment_are_in_the_setting(bench, word, named):
    code, out, _ = bench("report", "table4", *WORDS, word)
    title = next(line for line in out.splitlines() if line.startswith("Table 4:"))
    assert code == 0
    assert title.endswith(f", overrides {word}") == named
    assert ("overrides" in title) == named


def test_what_stays_out_is_named(bench, runs, tmp_path):
    runs("again", data__root="somewhere")
    runs("broken", seed=1)
    (tmp_path / "runs/broken/config.yaml").write_text("[")
    runs("failed", seed=2)
    failed = RunDirectory("runs/failed")
    record = failed.read_record()
    record.status, record.error = "failed", "The loss is nan."
    failed.write_record(record)
    code, out, _ = bench("report", "table4", "runs", *WORDS, "--seeds", "0,1,2")
    assert code == 0
    assert row(out)[6] == "1"
    assert "runs/first is left out: it repeats runs/again." in out
    assert "runs/broken is left out: " in out
    assert "LoRA on RTE, seed 2: failed, The loss is nan." in out
    assert bench("report", "table4", "nowhere", *WORDS)[0] == 2


def test_without_a_run_the_table_is_there_and_empty(bench):
    code, out, _ = bench("report", "table4", *WORDS)
    assert code == 0
    assert "data no run yet" in out
    assert "1 not run" in out


def test_columns_without_a_run_are_why_there_is_no_average(bench, runs):
    words = ("report", "table4", "runs", "--profile", "smoke", "--methods", "lora")
    _, out, _ = bench(*words, "--tasks", "rte,mrpc,cola")
    assert "Without a run of CoLA and MRPC there is no average of ours; `--tasks RTE` has one." in out
    assert "no average of ours" not in bench(*words, "--tasks", "rte")[1]


def test_a_table_that_is_not_printed_is_refused(bench):
    assert bench("report", "table9")[0] == 2
