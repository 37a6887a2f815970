import json
from pathlib import Path

import pytest
from datasets import Dataset
from hydra import compose, initialize_config_dir

from frod_bench.backbones.image_transform import ImageTransform
from frod_bench.config.instantiate import build
from frod_bench.config.recipe import register_resolvers
from frod_bench.config.resolve import resolve
from frod_bench.errors import RequestError
from frod_bench.tasks.base import RowRequest
from frod_bench.tasks.sources.generated import GeneratedSource
from frod_bench.tasks.sources.local import LocalSource

CONFIGS = Path(__file__).parents[2] / "configs"
NAMES = sorted(path.stem for path in (CONFIGS / "task/commonsense").glob("[!_]*.yaml") if path.stem != "all")
BOOLQ = {"question": "is snow white", "answer": True, "passage": "Snow is white."}


@pytest.fixture(scope="module")
def configured():
    """Returns a function (name, *overrides) -> the task as configured."""
    register_resolvers()
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        yield lambda name, *words: build(
            resolve(compose("config", overrides=[f"task=commonsense/{name}", "profile=smoke", *words]))["task"],
            "tasks",
        )


def load(task, tokenizer, text, source=None, **options):
    request = RowRequest(text=text, **{"max_length": 500} | options)
    return task.load(source or GeneratedSource(), tokenizer, request)


@pytest.fixture
def boolq_root(tmp_path):
    """Returns a function (rows) -> a data root whose BoolQ has these rows in both splits."""

    def write(rows):
        folder = tmp_path / "google/boolq/default"
        folder.mkdir(parents=True, exist_ok=True)
        for split in ("train", "validation"):
            Dataset.from_list(rows).to_parquet(folder / f"{split}.parquet")
        return LocalSource(tmp_path)

    return write


def test_all_six_are_configured():
    assert NAMES == ["boolq", "hellaswag", "openbookqa", "piqa", "siqa", "winogrande"]


@pytest.mark.parametrize("name", NAMES)
def test_every_task_asks_for_its_label_in_both_formats(configured, llama, name):
    _, tokenizer = llama
    data = load(configured(name), tokenizer, "classification")
    assert (data.samples["train"], data.samples["eval"]) == (64, 32)
    assert set(data.train["labels"]) == set(range(data.num_labels))
    assert data.measure("validation", [0, 1], [0, 0]) == {"accuracy": 0.5}
    task = configured(name, "protocol=paper")
    data = load(task, tokenizer, "instruction")
    assert data.num_labels is None and data.label_names == task.label_names
    prompt = tokenizer.decode(data.evaluation["validation"][0]["input_ids"])
    assert prompt.endswith(
        f"Answer format: {'/'.join(sorted(task.label_names, reverse=name == 'boolq'))}\n\n### Response:\n"
    )
    row = data.train[0]
    assert tokenizer.decode(row["input_ids"]).endswith(f"the correct answer is {task.label_names[0]}</s>")
    assert data.measure("validation", [0, -1], [0, 0]) == {"accuracy": 0.5, "unmatched": 0.5}
    assert data.provenance["wording"].startswith("prompts worded by frod-bench, not as the released script or LLM-")


@pytest.mark.parametrize("name", NAMES)
def test_every_column_of_text_is_in_the_prompt(configured, name):
    task = configured(name)
    asked = task.prompts["classification"] + "{label}"
    assert all("{" + column in asked for column in task.columns)
    left_out = {column for column in task.columns if "{" + column not in task.prompts["instruction"]}
    assert left_out == ({"passage"} if name == "boolq" else set())


def test_rows_become_prompts_as_the_file_says(configured, llama, boolq_root):
    _, tokenizer = llama
    source = boolq_root([BOOLQ, BOOLQ | {"answer": False}])
    data = load(configured("boolq"), tokenizer, "classification", source)
    assert tokenizer.decode(data.train[0]["input_ids"]) == "<s>Document:\nSnow is white.\nQuestion:\nis snow white"
    assert list(data.train["labels"]) == [1, 0]
    assert data.provenance["note"] == ("this copy of the data holds 2 of 9,427 train rows, 2 of 3,270 validation rows")


def test_subsets_and_holdout(configured, llama):
    _, tokenizer = llama
    options = {"max_train": 40, "max_eval": 8, "holdout": True}
    data = load(configured("piqa"), tokenizer, "classification", **options)
    assert data.samples == {"train": 35, "eval": 8, "holdout": 5}
    held = load(configured("piqa", "protocol=paper"), tokenizer, "instruction", **options).holdout
    assert set(held["labels"]) <= {0, 1} and "task" in held.column_names


def test_cut_prompts_are_counted(configured, llama, boolq_root):
    _, tokenizer = llama
    source = boolq_root([BOOLQ, BOOLQ | {"passage": "long " * 100}])
    cut = load(configured("boolq"), tokenizer, "classification", source, max_length=100).provenance["cut"]
    assert cut == "texts cut to 100 tokens: train 1 of 2, validation 1 of 2"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([BOOLQ, BOOLQ | {"passage": None}], "Row 1 of google/boolq/default/train: column passage is None"),
        ([BOOLQ | {"answer": "yes"}], "Row 0 of .*/train has answer 'yes'; accepted: False, True"),
        ([{"question": "q", "answer": True}], "has no column passage; its columns are question, answer"),
    ],
)
def test_a_bad_row_is_named(configured, llama, boolq_root, rows, message):
    with pytest.raises(RequestError, match=message):
        load(configured("boolq"), llama[1], "classification", boolq_root(rows))


def test_instructions_of_llm_adapters_are_read_as_they_are(configured, llama, tmp_path):
    _, tokenizer = llama
    folder = tmp_path / "commonsense170k/openbookqa"
    folder.mkdir(parents=True)
    rows = [{"instruction": "Which?", "input": "", "output": "the correct answer is answer4", "answer": "answer4"}]
    for split in ("train", "test"):
        (folder / f"{split}.json").write_text(json.dumps(rows))
    task = configured("openbookqa", "protocol=paper", "task.layout=commonsense170k")
    data = load(task, tokenizer, "instruction", LocalSource(tmp_path))
    assert "\nWhich?\n" in tokenizer.decode(data.train[0]["input_ids"])
    assert list(data.evaluation) == ["test"] and data.evaluation["test"][0]["labels"] == 3
    assert "validation" not in data.provenance["note"]


@pytest.mark.parametrize(
    ("words", "text", "message"),
    [
        ([], "pair", r"text.format=pair is not known\. Accepted: classification, instruction"),
        ([], "instruction", "task.scoring=None .* protocol=paper"),
        (["task.scoring=likelihood"], "classification", "task.scoring=likelihood is for instructions"),
        (["protocol=paper", "task.layout=json"], "instruction", "task.layout=json is not known"),
        (["task.layout=commonsense170k"], "classification", "holds instructions: add protocol=paper"),
        (["protocol=paper"], "instruction", "needs more than .* Raise text.max_length"),
    ],
)
def test_bad_requests(configured, llama, words, text, message):
    max_length = 120 if "needs more" in message else 500
    with pytest.raises(RequestError, match=message):
        load(configured("siqa", *words), llama[1], text, max_length=max_length)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("task.eval_splits=[]", r"task\.eval_splits is empty"),
        ("task.metrics=[]", r"task\.metrics is empty"),
        ("task.label_names=[one,two]", "one name for each of the 3 values of task.label"),
    ],
)
def test_a_task_that_cannot_be(configured, word, message):
    with pytest.raises(RequestError, match=message):
        configured("siqa", word)


@pytest.mark.parametrize("name", ["siqa", "all"])
def test_a_backbone_that_reads_images_is_refused(configured, name):
    with pytest.raises(RequestError, match="has text, and the backbone reads images"):
        load(configured(name, "protocol=paper"), ImageTransform(32), "instruction")


def test_the_mixture_trains_on_all_and_evaluates_each(configured, llama):
    _, tokenizer = llama
    task = configured("all", "protocol=paper")
    assert task.rows == {
        split: sum(configured(name).rows[split] for name in NAMES) for split in ("train", "validation")
    }
    data = load(task, tokenizer, "instruction", max_eval=4, max_train=100, holdout=True)
    assert (data.samples["train"] + data.samples["holdout"], data.samples["eval"]) == (100, 6 * 4)
    evaluated = data.evaluation["validation"]
    assert sorted(set(evaluated["task"])) == [0, 1, 2, 3, 4, 5]
    assert {data.label_names[label] for label in evaluated["labels"][:4]} == {"false", "true"}
    assert {data.label_names[label] for label in evaluated["labels"][4:8]} == {"solution1", "solution2"}
    scores = data.measure("validation", evaluated["labels"], evaluated["labels"])
    assert scores["accuracy"] == scores["accuracy_hellaswag"] == 1.0
    assert set(scores) >= {f"{metric}_{name}" for name in NAMES for metric in ("accuracy", "unmatched")}


def test_a_mixture_has_no_head(configured, llama):
    with pytest.raises(RequestError, match=r"no head in common\. Add protocol=paper"):
        load(configured("all"), llama[1], "classification")
