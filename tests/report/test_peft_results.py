"""Files in the form of PEFT's own comparison of methods, read beside our runs."""

import json

import pytest

from frod_bench.errors import RequestError
from frod_bench.report.peft_results import THEIRS, beside, read_results
from frod_bench.report.statistics import paired_comparisons
from frod_bench.report.summary import summarise
from frod_bench.report.table import to_csv, to_text

# as PEFT's MetaMathQA/results has it, with made-up numbers, fewer epochs and fewer settings
MADE = {
    "run_info": {
        "created_at": "2026-07-15T05:41:18+00:00",
        "total_time": 1153.3,
        "experiment_name": "shira/llama-3.2-3B-default",
        "peft_branch": "main",
        "train_config": {"model_id": "meta-llama/Llama-3.2-3B", "dtype": "bfloat16", "max_steps": 5000, "seed": 0},
        "peft_config": {"task_type": "CAUSAL_LM", "peft_type": "SHIRA", "r": 32, "target_modules": ["v_proj"]},
        "error_msg": "",
    },
    "train_info": {
        "accelerator_memory_reserved_avg": 14397338969,
        "accelerator_memory_max": 22292725760,
        "accelerator_memory_reserved_99th": 20120076288,
        "train_time": 941.9,
        "file_size": 36715216,
        "num_trainable_params": 9175040,
        "num_total_params": 3221924864,
        "status": "success",
        "metrics": [
            {"step": 250, "valid accuracy": 0.32, "train loss": 0.98, "train samples": 1000, "train time": 29.0},
            {"step": 5000, "test accuracy": 0.4784, "train loss": 0.6, "train samples": 20000,
             "train total tokens": 4198051, "forgetting": 0.05},
        ],
    },
    "meta_info": {
        "model_info": {"sha": "13af", "created_at": "2024-09-18T15:23:48+00:00"},
        "dataset_info": {"metamath": {"sha": "aa4f", "created_at": None}, "gsm8k": {"sha": "7403", "created_at": None}},
        "package_info": {"peft-version": "0.19.2.dev0", "peft-commit-hash": "d787", "torch-version": "2.13.0"},
        "system_info": {"system": "Linux", "accelerator": "NVIDIA L40S"},
        "pytorch_info": "PyTorch built with:",
    },
}  # fmt: skip


def changed(**parts):
    content = json.loads(json.dumps(MADE))
    for part, values in parts.items():
        content[part] |= values
    return content


@pytest.fixture
def put(tmp_path):
    """Return a function that writes a file below MetaMathQA/results and returns it."""
    folder = tmp_path / "theirs/MetaMathQA/results"
    folder.mkdir(parents=True)

    def write(content, name="one.json"):
        file = folder / name
        file.write_text(content if isinstance(content, str) else json.dumps(content))
        return file

    return write


def test_a_file_is_one_result(put):
    (found,), reasons = read_results(put(MADE))
    assert (found.model, found.task, found.method) == ("meta-llama/Llama-3.2-3B", "MetaMathQA", "SHiRA")
    assert (found.metric, found.score, found.trainable) == ("accuracy", 0.4784, 9175040)
    assert (found.train_s, found.peak_bytes) == (941.9, 22292725760)
    assert reasons == []


def test_outside_of_their_folders_the_task_is_named_by_its_data(tmp_path):
    file = tmp_path / "x.json"
    file.write_text(json.dumps(MADE))
    assert read_results(file)[0][0].task == "metamath, gsm8k"


def test_a_run_without_a_configuration_is_full_fine_tuning(put):
    assert read_results(put(changed(run_info={"peft_config": None})))[0][0].method == "full-finetuning"


def test_in_a_folder_what_cannot_be_read_is_left_out_with_the_reason(put, tmp_path):
    put(MADE)
    put(changed(train_info={"status": "cancelled"}), "cancelled.json")
    put(changed(train_info={"metrics": MADE["train_info"]["metrics"][:1]}), "early.json")
    put(changed(train_info={"num_trainable_params": "many"}), "odd.json")
    put("{", "broken.json")
    put("[]", "list.json")
    put(json.dumps(MADE).replace("941.9", "NaN"), "nan.json")
    found, reasons = read_results(tmp_path / "theirs")
    assert len(found) == 1 and len(reasons) == 6
    text = " ".join(reasons)
    assert all(word in text for word in ("its status is cancelled", "no score on test rows", "num_trainable_params"))


@pytest.mark.parametrize("content", ["{", "{}", '{"run_info": 1, "train_info": {}, "meta_info": {}}'])
def test_a_file_of_another_form_is_refused(put, content):
    with pytest.raises(RequestError, match="No result of PEFT"):
        read_results(put(content))


def test_a_place_without_files_is_refused(tmp_path):
    with pytest.raises(RequestError, match="holds no JSON file"):
        read_results(tmp_path)
    with pytest.raises(RequestError, match="cannot be read"):
        read_results(tmp_path / "nowhere")


def test_they_are_shown_beside_ours_and_enter_no_statistics(put, store):
    runs = [store(method, seed=seed, best=0.6) for method in ("frod", "lora") for seed in (0, 1)]
    summary = summarise(runs)
    before = [list(paired_comparisons(section, "best")) for section in summary.sections]
    made = beside(summary, read_results(put(MADE))[0])
    assert [row[0] for row in made.rows] == ["frod-bench", "frod-bench", THEIRS]
    assert made.rows[-1][3] == "SHiRA" and made.rows[0][6] == 0.6
    assert "47.84" in to_text(made) and "meta-llama/Llama-3.2-3B" in to_csv(made)
    assert [list(paired_comparisons(section, "best")) for section in summary.sections] == before
    assert [row.method for section in summary.sections for row in section.rows] == ["frod", "lora"]
