from dataclasses import replace
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from frod_bench.config.instantiate import build
from frod_bench.errors import RequestError
from frod_bench.tasks.base import RowRequest
from frod_bench.tasks.glue import GlueTask
from frod_bench.tasks.metrics import load_metric
from frod_bench.tasks.sources.generated import GeneratedSource
from frod_bench.tasks.sources.local import LocalSource

CONFIGS = Path(__file__).parents[2] / "configs"
REQUEST = RowRequest(max_length=16, text="pair")


def load(task, root, tokenizer, **options):
    return task.load(LocalSource(root), tokenizer, replace(REQUEST, **options))


def test_load(task, data_root, tokenizer):
    data = load(task, data_root, tokenizer)
    assert data.samples == {"train": 40, "eval": 10, "validation_mismatched": 10}
    assert list(data.evaluation) == ["validation_matched", "validation_mismatched"]
    assert (data.num_labels, data.label_names, data.metric.name) == (2, ["no", "yes"], "accuracy")
    assert data.holdout is None and not data.trains_on_tokens
    assert data.provenance["source"] == "local" and "note" not in data.provenance
    assert list(data.train["labels"])[:4] == [1, 0, 0, 1]
    assert data.collate([data.train[0], data.train[1]])["input_ids"].shape == (2, 6)


def test_subsets_and_holdout(task, data_root, tokenizer):
    data = load(task, data_root, tokenizer, max_train=20, max_eval=4, holdout=True)
    assert data.samples["eval"] == data.samples["validation_mismatched"] == 4
    assert len(data.train) + len(data.holdout) == 20 and 2 <= len(data.holdout) <= 3
    assert data.samples["train"] == len(data.train) and data.samples["holdout"] == len(data.holdout)


def test_instruction_text(task, data_root, tokenizer):
    row = load(task, data_root, tokenizer, text="instruction").train[0]
    assert tokenizer.decode(row["input_ids"]) == "[CLS] judge them: one two three result: [SEP]"


def test_the_record_says_in_whose_words_instructions_are(task, data_root, tokenizer):
    task = replace(task, wording="ours")
    assert load(task, data_root, tokenizer, text="instruction").provenance["wording"] == "ours"
    assert "wording" not in load(task, data_root, tokenizer).provenance
    assert "GOAT" in configured("rte").wording


def test_provenance_tells_an_unofficial_size(task, data_root, tokenizer, toy_rows):
    toy_rows(12).to_parquet(data_root / "nyu-mll/glue/toy/train.parquet")
    note = load(task, data_root, tokenizer).provenance["note"]
    assert note == "this copy of the data holds 12 of 40 train rows"


def test_cut_texts_are_counted(task, data_root, tokenizer):
    assert "cut" not in load(task, data_root, tokenizer).provenance
    data = load(task, data_root, tokenizer, max_length=5)
    assert data.provenance["cut"].startswith("texts cut to 5 tokens: train 40 of 40, ")
    assert "cut" not in data.train.column_names


def test_rows_that_are_evaluated_have_a_length_of_their_own(task, data_root, tokenizer):
    data = load(task, data_root, tokenizer, max_length=5, eval_max_length=16, holdout=True)
    assert set(data.train["length"]) == {5}
    rows = [*data.evaluation.values(), data.holdout]
    assert {length for part in rows for length in part["length"]} == {6}
    assert data.provenance["cut"] == f"texts cut to 5 tokens: train {len(data.train)} of {len(data.train)}"
    with pytest.raises(RequestError, match=r"text\.eval_max_length=99 is not accepted: .* 5 to 32"):
        load(task, data_root, tokenizer, eval_max_length=99)


def test_unlabelled_row_is_an_error(task, data_root, tokenizer, toy_rows):
    toy_rows(3, labels=[0, 1, -1]).to_parquet(data_root / "nyu-mll/glue/toy/validation_matched.parquet")
    with pytest.raises(RequestError, match="Row 2 of nyu-mll/glue/toy/validation_matched has label -1"):
        load(task, data_root, tokenizer)


@pytest.mark.parametrize("option, value", [("max_train", 0), ("max_eval", -1), ("text", "chat"), ("max_length", 1000)])
def test_bad_option_is_named(task, data_root, tokenizer, option, value):
    with pytest.raises(RequestError, match=str(value)):
        load(task, data_root, tokenizer, **{option: value})


NAMES = sorted(path.stem for path in (CONFIGS / "task/glue").glob("[!_]*.yaml"))


def configured(name) -> GlueTask:
    with initialize_config_dir(str(CONFIGS), version_base=None):
        config = compose("config", overrides=[f"task=glue/{name}", "profile=smoke"])
        return build(OmegaConf.to_container(config.task, resolve=True), "tasks")


def test_all_seven_are_configured():
    assert NAMES == ["cola", "mnli", "mrpc", "qnli", "qqp", "rte", "sst2"]


@pytest.mark.parametrize("name", NAMES)
def test_configured_task_loads(name, tokenizer):
    task = configured(name)
    assert (task.name, task.repo, task.config, task.suite) == (f"glue/{name}", "nyu-mll/glue", name, "glue")
    assert set(task.rows) == {task.train_split, *task.eval_splits}
    assert task.metrics[0] == "accuracy"
    assert [load_metric(metric).name for metric in task.metrics] == task.metrics
    data = task.load(GeneratedSource(), tokenizer, REQUEST)
    assert data.samples["train"] == 64 and data.samples["eval"] == 32
    assert set(data.train["labels"]) == set(range(data.num_labels))


def test_mnli_reports_the_matched_split(tokenizer):
    data = configured("mnli").load(GeneratedSource(), tokenizer, REQUEST)
    assert next(iter(data.evaluation)) == "validation_matched"
    assert data.measure("validation_mismatched", [2, 1], [2, 0]) == {"accuracy_mismatched": 0.5}


@pytest.mark.parametrize("fields", [[], ["left", "right", "left"]])
def test_one_or_two_columns_of_text(task, fields):
    with pytest.raises(RequestError, match=r"task\.fields"):
        replace(task, fields=fields)
