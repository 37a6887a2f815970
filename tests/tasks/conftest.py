"""A word-level tokenizer, a two-sentence task and its rows as parquet files, all made on the spot."""

from pathlib import Path

import pytest
from datasets import ClassLabel, Dataset, Features, Value
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from tokenizers.processors import BertProcessing
from transformers import PreTrainedTokenizerFast

from frod_bench.backbones.tiny import TinyBackbone
from frod_bench.tasks.glue import GlueTask

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "judge", "them:", "result:", "one", "two", "three")


@pytest.fixture(scope="session")
def tokenizer():
    model = Tokenizer(WordLevel({word: index for index, word in enumerate(WORDS)}, unk_token="[UNK]"))
    model.pre_tokenizer = WhitespaceSplit()
    model.post_processor = BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    return PreTrainedTokenizerFast(tokenizer_object=model, model_max_length=32, **special)


@pytest.fixture
def task():
    return GlueTask(
        name="glue/toy",
        suite="glue",
        repo="nyu-mll/glue",
        config="toy",
        fields=["left", "right"],
        label_names=["no", "yes"],
        train_split="train",
        eval_splits=["validation_matched", "validation_mismatched"],
        metrics=["accuracy", "f1"],
        instruction="judge them:",
        rows={"train": 40, "validation_matched": 10, "validation_mismatched": 10},
    )


@pytest.fixture
def toy_rows():
    """Returns a function (n, labels=None) -> n rows; row i has idx i and, by default, label i % 3 == 0."""

    def build(n, labels=None):
        labels = [int(i % 3 == 0) for i in range(n)] if labels is None else labels
        text, label = Value("string"), ClassLabel(names=["no", "yes"])
        features = Features(left=text, right=text, label=label, idx=Value("int32"))
        columns = {"left": ["one two"] * n, "right": ["three"] * n, "label": labels, "idx": list(range(n))}
        return Dataset.from_dict(columns, features=features)

    return build


@pytest.fixture
def data_root(tmp_path, toy_rows) -> Path:
    """A data root with the toy task: 40 training rows, 10 rows in each validation split."""
    root = tmp_path / "data"
    folder = root / "nyu-mll/glue/toy"
    folder.mkdir(parents=True)
    for split, n in {"train": 40, "validation_matched": 10, "validation_mismatched": 10}.items():
        toy_rows(n).to_parquet(folder / f"{split}.parquet")
    return root


@pytest.fixture(scope="session")
def llama():
    """A random LLaMA of bytes: (a function num_labels -> model, tokenizer)."""
    architecture = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "intermediate_size": 64,
        "max_position_embeddings": 514,
    }
    backbone = TinyBackbone("tiny", "llama", architecture, ["q_proj"], ["score"], ends_text=False)
    return lambda num_labels=None: backbone.build(num_labels, seed=0), backbone.processor()
