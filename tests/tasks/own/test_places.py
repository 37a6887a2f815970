import hashlib
import os

import pytest

from frod_bench.errors import RequestError
from frod_bench.tasks.own.places import HubRows, content_of, find, name_of

ROWS = b"text,label\ngood,1\n"


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "a/reviews.csv").write_bytes(ROWS)
    return tmp_path


def test_one_file_has_the_digest_that_sha256sum_prints(here):
    assert content_of("a/reviews.csv", "task.train") == f"sha256:{hashlib.sha256(ROWS).hexdigest()}"
    assert content_of(None, "task.eval") is None


def test_the_content_says_what_rows_are_and_not_where_they_lie(here):
    before = content_of("a/reviews.csv", "task.train")
    os.rename("a", "b")
    assert content_of("b/reviews.csv", "task.train") == content_of(str(here / "b/reviews.csv"), "task.train") == before
    (here / "b/reviews.csv").write_bytes(ROWS + b"bad,0\n")
    assert content_of("b/reviews.csv", "task.train") != before


def test_a_folder_counts_with_its_classes_and_without_hidden_files(here):
    for name in ("cat/1.png", "dog/2.png"):
        (here / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        (here / "photos" / name).write_text(name)
    before = content_of("photos", "task.train")
    (here / "photos/.DS_Store").write_text("x")
    (here / "photos/cat/Thumbs.db").write_text("x")
    assert content_of("photos", "task.train") == before
    os.rename("photos/cat", "photos/owl")
    assert content_of("photos", "task.train") != before


def test_several_files_are_those_of_a_pattern_by_name_or_of_a_list_in_its_order(here):
    for name in "bca":
        (here / f"part-{name}.csv").write_text(name)
    assert [file.name for file in find("part-*.csv", "task.train")] == ["part-a.csv", "part-b.csv", "part-c.csv"]
    listed = find(["part-c.csv", "part-a.csv"], "task.train")
    assert [file.name for file in listed] == ["part-c.csv", "part-a.csv"]
    both = [content_of(files, "task.train") for files in (["part-c.csv", "part-a.csv"], ["part-a.csv", "part-c.csv"])]
    assert both[0] != both[1]


@pytest.mark.parametrize(
    ("place", "found"),
    [
        ("hub:stanfordnlp/imdb", ("stanfordnlp/imdb", "", "train")),
        ("hub:nyu-mll/glue/rte:validation", ("nyu-mll/glue", "rte", "validation")),
        ("hub:a.b/c_d-e:test", ("a.b/c_d-e", "", "test")),
    ],
)
def test_data_sets_of_the_hub(place, found):
    assert find(place, "task.train") == HubRows(*found)
    assert content_of(place, "task.train") == str(HubRows(*found))


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("trian.csv", r"task\.eval=trian\.csv: there is no such file"),
        ("stanfordnlp/imdb", "type task.eval=hub:stanfordnlp/imdb"),
        ("hub:imdb", "is not accepted: hub:OWNER/NAME:SPLIT"),
        ("hub:a/b", "names no split: add :test"),
        ([], "is not accepted: a file, a list of files"),
        ([["a"]], "is not accepted"),
        ({"a": 1}, "is not accepted"),
    ],
)
def test_what_names_nothing(here, place, message):
    with pytest.raises(RequestError, match=message):
        content_of(place, "task.eval")


def test_a_link_to_nothing_in_a_folder(here):
    (here / "photos/cat").mkdir(parents=True)
    (here / "photos/cat/1.png").symlink_to(here / "gone.png")
    with pytest.raises(RequestError, match=r"1\.png cannot be read \(No such file"):
        content_of("photos", "task.train")


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("reviews.csv", "own/reviews"),
        ("/far/away/My Reviews (2).tar.jsonl", "own/My-Reviews-2"),
        ("photos/train", "own/text"),
        ("train.csv", "own/text"),
        ("parts/part-*.csv", "own/part"),
        (["a.csv", "b.csv"], "own/a"),
        ("hub:stanfordnlp/imdb", "own/imdb"),
        ("hub:nyu-mll/glue/rte:train", "own/glue-rte"),
        ("Ωmega.csv", "own/Ωmega"),
        ("....csv", "own/text"),
        (None, "own/text"),
    ],
)
def test_names_of_tasks(place, name):
    assert name_of("own/text", place) == name
