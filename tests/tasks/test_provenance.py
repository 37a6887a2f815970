from datasets import Dataset

from frod_bench.tasks.provenance import annotated, texts_cut, unofficial_sizes


def test_notes_stand_behind_the_source_s_own():
    assert annotated({"source": "hub"}, None) == {"source": "hub"}
    assert annotated({"source": "x", "note": "a"}, None, "b")["note"] == "a; b"


def test_only_sizes_that_differ_are_told():
    assert unofficial_sizes({"train": 5, "test": 3}, {"train": 5}) is None
    assert unofficial_sizes({"train": 4, "test": 3}, {"train": 5, "test": 3}) == (
        "not the official number of rows: train 4 of 5"
    )


def test_only_splits_with_cut_texts_are_told():
    whole, half = (Dataset.from_dict({"cut": cut}) for cut in ([False, False], [True, False]))
    assert texts_cut({"train": whole, "test": whole}, 64) == {}
    assert texts_cut({"train": whole, "test": half}, 64) == {"cut": "texts cut to 64 tokens: test 1 of 2"}
