import time
from types import SimpleNamespace

import pytest

from frod_bench.errors import RequestError
from frod_bench.tasks.sources import hub
from frod_bench.tasks.sources.hub import HubSource

COMMIT = "0123456789abcdef0123456789abcdef01234567"
COMMITS = {"google/boolq": "b" * 40, "Rowan/hellaswag": "c" * 40}


@pytest.fixture
def online(monkeypatch, toy_rows):
    """A hub that answers; returns the calls of `load_dataset`."""
    calls = []

    def load_dataset(path, config, *, split, revision):
        calls.append((path, config, split, revision))
        return toy_rows(4)

    def dataset_info(repo, *, timeout):
        return SimpleNamespace(sha=COMMITS.get(repo, COMMIT))

    client = SimpleNamespace(dataset_info=dataset_info)
    monkeypatch.setattr(hub, "is_offline_mode", lambda: False)
    monkeypatch.setattr(hub, "HfApi", lambda: client)
    monkeypatch.setattr(hub, "load_dataset", load_dataset)
    return calls


def test_all_splits_are_read_at_one_commit(online):
    source = HubSource()
    for split in ("train", "validation"):
        assert len(source.read("nyu-mll/glue", "rte", split, None)) == 4
    path = "hf://datasets/nyu-mll/glue"
    assert online == [(path, "rte", "train", COMMIT), (path, "rte", "validation", COMMIT)]
    assert source.provenance() == {"source": "hub", "revision": COMMIT}


def test_several_data_sets_are_read_each_at_its_own_commit(online):
    source = HubSource()
    for split in ("train", "validation"):
        for repo in COMMITS:
            source.read(repo, "default", split, None)
    assert {call[0].removeprefix("hf://datasets/"): call[-1] for call in online} == COMMITS
    assert source.provenance()["revision"] == f"google/boolq@{'b' * 40}, Rowan/hellaswag@{'c' * 40}"


def test_a_script_is_read_from_the_hubs_copy_in_parquet(online, monkeypatch, toy_rows, tmp_path):
    asked, folder = [], tmp_path / ("d" * 40)
    for number, split in enumerate(("train", "validation"), start=3):
        (folder / "plain_text" / split).mkdir(parents=True)
        toy_rows(number).to_parquet(folder / "plain_text" / split / "0000.parquet")

    def load_dataset(*args, **kwargs):
        raise RuntimeError("Dataset scripts are no longer supported, but found piqa.py")

    def snapshot_download(repo, *, repo_type, revision, allow_patterns):
        asked.append((repo, repo_type, revision, allow_patterns))
        return str(folder)

    monkeypatch.setattr(hub, "load_dataset", load_dataset)
    monkeypatch.setattr(hub, "snapshot_download", snapshot_download)
    source = HubSource()
    assert len(source.read("ybisk/piqa", "plain_text", "train", None)) == 3
    rows = source.read("ybisk/piqa", "plain_text", "validation", None)
    assert len(rows) == 4
    assert rows.features["label"].names == ["no", "yes"]
    assert asked == [
        ("ybisk/piqa", "dataset", "refs/convert/parquet", "plain_text/train/*.parquet"),
        ("ybisk/piqa", "dataset", "d" * 40, "plain_text/validation/*.parquet"),
    ]
    assert source.provenance()["revision"] == "d" * 40
    with pytest.raises(RequestError, match="plain_text"):
        source.read("ybisk/piqa", "plain_text", "test", None)


def test_no_network_is_told_without_trying_to_download(online, monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError("Name or service not known")

    monkeypatch.setattr(hub, "HfApi", lambda: SimpleNamespace(dataset_info=refuse))
    with pytest.raises(RequestError, match=r"Name or service.*data\.source=local data\.root=DIR.*offline"):
        HubSource().read("nyu-mll/glue", "rte", "train", None)
    assert online == []


def test_offline_mode_reads_the_cache_and_its_commit(online, monkeypatch, toy_rows):
    rows = toy_rows(2)
    rows.info.download_checksums = {f"hf://datasets/nyu-mll/glue@{COMMIT}/rte/train.parquet": {}}
    monkeypatch.setattr(hub, "is_offline_mode", lambda: True)
    monkeypatch.setattr(hub, "HfApi", None)
    monkeypatch.setattr(hub, "load_dataset", lambda *args, **kwargs: rows)
    source = HubSource()
    source.read("nyu-mll/glue", "rte", "train", None)
    assert source.provenance()["revision"] == COMMIT


def test_offline_without_a_cache_fails_within_seconds(monkeypatch, tmp_path):
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    monkeypatch.setattr(hub, "is_offline_mode", lambda: True)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path)
    start_s = time.monotonic()
    with pytest.raises(RequestError, match=r"nyu-mll/glue/rte \(train\) could not be read"):
        HubSource().read("nyu-mll/glue", "rte", "train", None)
    assert time.monotonic() - start_s < 5
