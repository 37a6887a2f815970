"""Our runs in the form of PEFT's comparison: what its viewer reads is there, and our reader reads it back."""

import json

import pytest

from frod_bench.report.peft_json import file_name, to_json
from frod_bench.report.peft_results import read_results

# what method_comparison/processing.py takes from a file of MetaMathQA, and the type that it converts to
READ_BY_THEIR_VIEWER = {
    "run_info": {"experiment_name": str, "total_time": float, "peft_branch": str, "created_at": str},
    "train_info": {
        **dict.fromkeys(("accelerator_memory_reserved_avg", "accelerator_memory_max"), int),
        **dict.fromkeys(("accelerator_memory_reserved_99th", "file_size", "num_trainable_params"), int),
        **{"train_time": float, "status": str},
    },
}
OF_THE_LAST_LINE = {"test accuracy": float, "train loss": float, "train samples": int, "train total tokens": int}
PACKAGES = ("transformers", "peft", "datasets", "bitsandbytes", "torch")


def tuner(**settings):
    return {"settings": {"method.type": "SHIRA", **settings}, "initialisation": {"backbone": {"id": "org/model"}}}


def test_what_their_viewer_reads_is_there(store):
    content = json.loads(to_json(store("peft", best=0.62, **tuner())))
    for part, keys in READ_BY_THEIR_VIEWER.items():
        assert {key: type(content[part][key]) for key in keys} == keys
    last = content["train_info"]["metrics"][-1]
    assert {key: type(last[key]) for key in OF_THE_LAST_LINE} == OF_THE_LAST_LINE
    assert (last["test accuracy"], last["train samples"], last["step"]) == (0.62, 3 * 2490, 132)
    assert all(f"{name}-version" in content["meta_info"]["package_info"] for name in PACKAGES)
    assert content["run_info"]["train_config"]["model_id"] == "org/model"
    assert "written by frod-bench" in content["frod_bench"]["notes"][0]


@pytest.mark.parametrize(
    ("method", "settings", "expected"),
    [
        ("peft", {"method.type": "SHIRA", "method.config.r": 8}, {"peft_type": "SHIRA", "r": 8}),
        ("dora", {"method.rank": 4}, {"peft_type": "LORA", "use_dora": True, "rank": 4}),
        ("vera", {"method.name": "vera"}, {"peft_type": "VERA"}),
        ("full_ft", {"method.name": "full_ft"}, None),
    ],
)
def test_the_method_is_named_as_peft_names_it(store, method, settings, expected):
    assert json.loads(to_json(store(method, settings=settings)))["run_info"]["peft_config"] == expected


def test_our_reader_reads_it_back(store, tmp_path):
    run = store("peft", best=0.62, **tuner())
    file = tmp_path / "out" / file_name(run)
    file.parent.mkdir(parents=True)
    file.write_text(to_json(run))
    (found,), _ = read_results(tmp_path / "out")
    assert (found.task, found.method, found.score, found.train_s) == ("glue-rte", "SHiRA", 0.62, 60.0)
    assert found.peak_bytes == 500 * 2**20


def test_a_stored_name_reaches_no_other_folder(store):
    run = store("lora", task="../..", folder="plain", backbone="../../x")
    assert file_name(run).split("/")[1] == "results" and file_name(run).count("/") == 2
    assert ".." not in file_name(run).split("/")
