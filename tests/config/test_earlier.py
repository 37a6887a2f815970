"""A run that starts from an earlier one: what it is called, and what is refused."""

import pytest

STAGE = ("method=lori", "task=vision/digits", "method.rank=2")


def identity_of(folder):
    return (folder / "config.yaml").read_text().partition("\n")[0]


@pytest.fixture
def runs(smoke, tmp_path):
    """Return a function that makes a run and returns the folders of all runs of LoRI."""

    def make(*words):
        code, out, err = smoke(*STAGE, *words)
        assert code == 0, err
        return sorted((tmp_path / "outputs").rglob("lori/seed*")), out

    return make


def test_make_runs_the_first_stage_and_equals_naming_its_folder(runs, tmp_path):
    (first,), _ = runs()
    both, out = runs("method.mask=make")
    assert len(both) == 2 and "complete already" in out  # the first stage is not run again
    (second,) = set(both) - {first}
    moved = tmp_path / "elsewhere"
    first.rename(moved)
    again, out = runs(f"method.mask={moved}")
    assert again == [second] and "complete already" in out


def test_make_makes_what_is_missing(runs):
    (first, second), _ = sorted_by_mask(runs("method.mask=make"))
    assert "mask: null" in (first / "config.yaml").read_text()
    assert identity_of(first) != identity_of(second)


def sorted_by_mask(made):
    folders, out = made
    return sorted(folders, key=lambda f: "\nearlier:" in (f / "config.yaml").read_text()), out


def test_what_is_set_for_the_second_stage_alone_makes_no_other_first_one(runs):
    runs("method.mask=make")
    folders, _ = runs("method.mask=make", "method.a_of=shared")
    assert len(folders) == 4
    folders, _ = runs("method.mask=make", "method.sparsity=0.5")
    assert len(folders) == 5
    folders, _ = runs("method.mask=make", "train.lr.adapter=0.02")
    assert len(folders) == 6


@pytest.mark.parametrize(
    ("value", "words"), [("nowhere", "the folder of a run, or make"), ("saved", "the folder of a run, or make")]
)
def test_what_is_no_run_is_refused(value, words, smoke):
    code, _, err = smoke(*STAGE, f"method.mask={value}")
    assert code == 2 and words in err


def test_a_run_of_another_backbone_is_refused(runs, smoke):
    (first,), _ = runs()
    code, _, err = smoke("method=lori", "task=glue/sst2", f"method.mask={first}")
    assert code == 2 and "is a run of" in err


def test_a_cell_with_another_seed_starts_from_the_run_of_that_seed():
    from frod_bench.grid.cells import compose_cells
    from frod_bench.grid.tables import TableSpec  # these imports take seconds

    table = TableSpec("own", {"lori": ["method=lori", "method.mask=make"]}, {"rte": "glue/rte"}, None, {"smoke": "0"})
    cells = compose_cells(table, "smoke", "0,1", [])
    firsts = [cell.config["earlier"]["mask"]["config"] for cell in cells]
    assert [first["seed"] for first in firsts] == [0, 1]
    assert len({cell.config["method"]["mask"] for cell in cells}) == len({cell.identity for cell in cells}) == 2
    assert len({cell.settings["earlier.mask.experiment"] for cell in cells}) == 1


def test_rates_are_tuned_for_any_seed_and_belong_to_the_second_stage():
    import hydra

    from frod_bench.config.paths import config_dir
    from frod_bench.config.recipe import register_resolvers
    from frod_bench.config.resolve import resolve
    from frod_bench.config.tuned import tuned_settings

    register_resolvers()
    with hydra.initialize_config_dir(str(config_dir()), version_base="1.3"):
        found = [
            tuned_settings(resolve(hydra.compose("config", ["method=lori", "profile=smoke", *words])))
            for words in (
                ["method.mask=make"],
                ["method.mask=make", "seed=4"],
                ["method.mask=make", "evaluation=never"],
                [],
            )
        ]
    assert found[0] == found[1] == found[2] != found[3]
