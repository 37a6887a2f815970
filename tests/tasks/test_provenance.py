from datasets import Dataset

from frod_bench.tasks.provenance import size_note, truncation, with_notes


def test_notes_stand_behind_the_source_s_own():
    assert with_notes({"source": "hub"}, None) == {"source": "hub"}
    assert with_notes({"source": "x", "note": "a"}, None, "b")["note"] == "a; b"


def test_only_sizes_that_differ_are_told():
    assert size_note({"train": 5, "test": 3}, {"train": 5}) is None
    assert size_note({"train": 4, "test": 3}, {"train": 5, "test": 3}) == (
        "this copy of the data holds 4 of 5 train rows"
    )


def test_only_splits_with_cut_texts_are_told():
    whole, half = (Dataset.from_dict({"cut": cut}) for cut in ([False, False], [True, False]))
    lengths = {"train": 64, "test": 64}
    assert truncation({"train": whole, "test": whole}, lengths) == {}
    assert truncation({"train": whole, "test": half}, lengths) == {"cut": "texts cut to 64 tokens: test 1 of 2"}
    assert truncation({"train": half, "test": half}, lengths)["cut"] == (
        "texts cut to 64 tokens: train 1 of 2, test 1 of 2"
    )
    assert truncation({"train": half, "test": half}, lengths | {"test": 99})["cut"] == (
        "texts cut to 64 tokens: train 1 of 2; texts cut to 99 tokens: test 1 of 2"
    )
