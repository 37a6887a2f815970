import pytest

from frod_bench.report.variants import differing, label, settings


def test_the_seed_and_the_place_are_no_settings(store):
    assert settings(store(seed=0)) == settings(store(seed=1))


def test_what_changes_no_number_and_what_is_null_are_no_settings(store):
    first, second = store(), store(seed=1)
    config = second.path / "config.yaml"
    config.write_text(config.read_text() + "task: {packaged: there}\ntrain: {auto_batch: true, new: null}\n")
    assert settings(first) == settings(second)


def test_other_rows_of_data_are_another_experiment(store):
    one = settings(store())
    other = settings(store(data={"source": "packaged", "fingerprint": "sha256:11"}))
    assert differing([one, other]) == {"data.fingerprint"}


def test_what_differs_is_found_also_where_a_key_is_absent():
    assert differing([{"a": "1", "b": "1"}, {"a": "1", "b": "2"}, {"a": "1", "b": "1", "c": "0"}]) == {
        "b",
        "c",
    }
    assert differing([{"a": "1"}, {"a": "1"}]) == set()


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ((), "frod"),
        (("method.sparsity",), "frod, sparsity=0.1"),
        (("lr.head", "method.sparsity"), "frod, head=1e-3, sparsity=0.1"),
        (("lr.head", "warmup.head"), "frod, lr.head=1e-3, warmup.head=2"),
        (("absent",), "frod, absent=default"),
    ],
)
def test_a_label_is_short_and_clear(keys, expected):
    variant = {"method.sparsity": "0.1", "lr.head": "1e-3", "warmup.head": "2"}
    assert label("frod", variant, keys) == expected


def test_rows_of_ones_own_are_named_once_and_by_a_short_digest(store):
    content = f"sha256:0123abcd{'e' * 56}"
    data = {"source": "own", "fingerprint": content}
    one, other = settings(store(data=data)), settings(store(data=data, settings={"task.content.train": content}))
    assert one["data.fingerprint"] == content and "data.fingerprint" not in other
    assert label("lora", other, ["task.content.train"]) == "lora, train=sha256:0123abcd"


def test_a_variant_of_ours_is_always_named():
    assert label("frod", {"method.side": "short", "seed": "1"}, ()) == "frod, side=short"
    assert label("frod", {"method.side": "short", "method.way": "merged"}, ["method.side"]) == "frod, side=short"
    assert label("frod", {}, ()) == "frod"
