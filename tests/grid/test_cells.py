import itertools
import sys
from types import SimpleNamespace

import pytest

from frod_bench.config.catalogue import choices, identity
from frod_bench.config.paths import paper_dir
from frod_bench.errors import RequestError
from frod_bench.grid.cells import compose_cells
from frod_bench.grid.tables import load_table
from frod_bench.record import RunDirectory
from frod_bench.record.identity import STANDS_FOR
from frod_bench.report.paper import AVERAGE, read_paper_table


def compose(table, *overrides, profile="smoke", seeds=None, methods=None, tasks=None):
    return compose_cells(load_table(table).restricted(methods, tasks), profile, seeds, list(overrides))


@pytest.mark.parametrize("name", ["table2", "table3", "table4", "table5"])
def test_presets_have_the_papers_rows_and_columns(name):
    table, paper = load_table(name), read_paper_table(paper_dir(), name)
    columns = [f"epoch {epoch}" for epoch in table.epochs] if table.epochs else [*table.columns, AVERAGE]
    assert columns == list(paper.columns)
    assert list(table.rows) == [row for row in paper.rows if row != "ChatGPT"]


def test_the_grid_has_64_settings_and_holds_those_of_table_5():
    grid = {frozenset(words) for words in load_table("figure6").rows.values()}
    printed = {frozenset(words) for words in load_table("table5").rows.values()}
    assert (len(grid), len(printed)) == (64, 12)
    assert printed < grid


def test_the_table_of_methods_has_every_method():
    words = {word for row in load_table("methods").rows.values() for word in row}
    assert {f"method={name}" for name in choices("method") if name not in STANDS_FOR} <= words


def test_an_unknown_table_is_refused():
    with pytest.raises(RequestError, match=r"no table table7.*table5"):
        load_table("7")


def test_cells_are_the_papers_rows_and_columns_a_seed_after_the_other():
    cells = compose("4", seeds="3,1", methods="frod,lora", tasks="rte,cola")
    places = [(cell.config["seed"], cell.row, cell.column) for cell in cells]
    assert places == list(itertools.product((3, 1), ("LoRA", "FRoD(s=0.02)"), ("CoLA", "RTE")))
    by_place = {place: cell.config for place, cell in zip(places, cells, strict=True)}
    config = by_place[1, "FRoD(s=0.02)", "RTE"]
    assert (config["method"]["name"], config["task"]["name"]) == ("frod", "glue/rte")
    assert config["profile"]["name"] == "smoke"
    assert len({identity(cell.config) for cell in cells}) == len(cells)


@pytest.mark.parametrize(
    ("table", "row", "column", "words"),
    [
        ("2", "FRoD(s=0.01)", "DTD", ["method=frod", "method.sparsity=0.01", "task=vision/dtd", "seed=0"]),
        ("3", "GOAT", "OBQA", ["method=goat", "task=commonsense/openbookqa", "seed=0"]),
        ("4", "Full FT", "MNLI", ["method=full_ft", "task=glue/mnli", "seed=0"]),
    ],
)
def test_a_cell_is_the_run_that_its_words_make(bench, tmp_path, monkeypatch, table, row, column, words):
    seen = []
    job = SimpleNamespace(run_advised=lambda config: seen.append(config) or 0.5)  # the real one takes seconds to import
    monkeypatch.setitem(sys.modules, "frod_bench.forecast.advised_run", job)
    assert bench("profile=smoke", *words, "train.epochs=1")[0] == 0
    # compose_cells combines a row with the task of another composition except in its first row and column
    first = next(iter(load_table(f"table{table}").columns))
    cells = compose(table, "train.epochs=1", methods=f"{row},LoRA", tasks=f"{first},{column}")
    assert [cell.config for cell in cells if (cell.row, cell.column) == (row, column)] == seen


def test_rows_and_columns_can_be_chosen_by_any_of_their_names():
    table = load_table("2").restricted("frod,LoRA", "dtd,vision/cars,SVHN")
    assert list(table.rows) == ["LoRA", "FRoD(s=0.01)", "FRoD(s=0.02)"]
    assert list(table.columns) == ["Cars", "DTD", "SVHN"]


@pytest.mark.parametrize(
    ("overrides", "options", "message"),
    [
        (["seed=1"], {}, "--seeds"),
        (["task=glue/rte"], {}, "--tasks"),
        (["out=x"], {}, "FROD_BENCH_OUT"),
        (["train.epoch=1"], {}, "train.epochs"),
        (["rte"], {}, "no override"),
        (["train.epochs=1,2"], {}, "one value of train.epochs"),
        (["train.epochs=[1"], {}, "cannot be read"),
        (["hydra/launcher=joblib"], {}, "frod-bench -m sweep=table4 hydra/launcher=joblib"),
        (["method.sparsity=0.1"], {}, "LoRA: There is no key 'method.sparsity' .* has alpha, dropout, head, rank"),
        ([], {"seeds": "0,x"}, "whole numbers"),
        ([], {"methods": "frd"}, "frod"),
        ([], {"tasks": "rtf"}, "rte"),
    ],
)
def test_what_no_table_takes_is_refused(overrides, options, message):
    with pytest.raises(RequestError, match=message):
        compose("4", *overrides, **{"methods": "lora", "tasks": "rte"} | options)


def test_a_cell_is_complete_when_its_very_run_is(monkeypatch, tmp_path, record):
    monkeypatch.setenv("FROD_BENCH_OUT", str(tmp_path))
    (cell,) = compose("4", methods="lora", tasks="rte")
    assert cell.completed() is None
    run = RunDirectory(cell.directory)
    run.claim(identity(cell.config), "method: {name: lora}\n")
    for status, name, complete in (
        ("failed", identity(cell.config), False),
        ("completed", "0123456789abcdef", False),
        ("completed", identity(cell.config), True),
    ):
        record.status, record.identity = status, name
        run.write_record(record)
        assert (cell.completed() is not None) == complete
    record.files = run.digests()
    run.write_record(record)
    assert cell.completed() is not None
    run.config.write_text(run.read_config() + "edited: true\n")
    assert cell.completed() is None
    (forced,) = compose("4", "force=true", methods="lora", tasks="rte")
    assert forced.completed() is None


@pytest.fixture
def record():
    from frod_bench.record import RunRecord

    score = {"value": 0.8, "epoch": 1, "metrics": {"accuracy": 0.8}}
    return RunRecord(
        method="lora",
        task="glue/rte",
        backbone="tiny_roberta",
        profile="smoke",
        protocol="released",
        selection="best_on_eval",
        seed=0,
        identity="",
        metric={"name": "accuracy", "higher_is_better": True},
        best=score,
        final=score,
        params={"trainable": 1024, "head": 66, "total": 50_000, "pct_of_backbone": 2.05},
        samples={"train": 64, "eval": 32},
        time={"init_s": 0.1, "train_s": 3.0, "eval_s": 0.2},
        memory={"peak_bytes": 2**29, "kind": "process"},
        environment={"packages": {}, "device": "cpu", "commit": None, "dirty": None},
        data={"source": "generated"},
    )
