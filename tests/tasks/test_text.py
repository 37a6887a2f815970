import pytest
import torch

from frod_bench.errors import RequestError
from frod_bench.tasks.base import RowRequest
from frod_bench.tasks.text import PadToLongest, check_format, check_lengths, encode


def encoded(rows, tokenizer, instruction=None, max_length=16, fields=("left", "right")):
    options = {"instruction": instruction, "max_length": max_length, "fields": fields}
    return encode(rows, tokenizer, label="label", desc="toy", **options)


def test_pair_uses_the_tokenizers_pair_format(tokenizer, toy_rows):
    row = encoded(toy_rows(2), tokenizer)[0]
    assert tokenizer.decode(row["input_ids"]) == "[CLS] one two [SEP] three [SEP]"
    assert row["length"] == 6 and row["labels"] == 1


def test_single_field(tokenizer, toy_rows):
    row = encoded(toy_rows(1), tokenizer, fields=["left"])[0]
    assert tokenizer.decode(row["input_ids"]) == "[CLS] one two [SEP]"


def test_instruction_is_one_string(toy_rows):
    def tokenizer(texts, **options):
        seen.extend(texts)
        return {"input_ids": [[0] for _ in texts]}

    seen: list[str] = []
    encoded(toy_rows(2), tokenizer, instruction="judge them:")
    assert seen == ["judge them:\none two\nthree\nresult: "] * 2


def test_encoded_columns_are_the_models_and_no_others(tokenizer, toy_rows):
    columns = encoded(toy_rows(3), tokenizer).column_names
    assert sorted(columns) == ["attention_mask", "cut", "input_ids", "labels", "length"]


def test_truncation_cuts_to_max_length(tokenizer, toy_rows):
    row = encoded(toy_rows(1), tokenizer, max_length=5)[0]
    assert tokenizer.decode(row["input_ids"]) == "[CLS] one [SEP] three [SEP]"
    assert row["length"] == 5 and row["cut"]


@pytest.mark.parametrize("max_length", [5, 6, 7])
def test_only_rows_that_lost_tokens_count_as_cut(tokenizer, toy_rows, max_length):
    rows = encoded(toy_rows(3), tokenizer, max_length=max_length)  # six tokens each
    assert list(rows["cut"]) == [max_length < 6] * 3


def test_padding_reaches_the_longest_row_only(tokenizer):
    rows = [
        {"input_ids": [2, 7, 3], "attention_mask": [1, 1, 1], "labels": 1, "length": 3},
        {"input_ids": [2, 3], "attention_mask": [1, 1], "labels": 0, "length": 2},
    ]
    batch = PadToLongest(tokenizer)(rows)
    assert set(batch) == {"input_ids", "attention_mask", "labels"}
    assert torch.equal(batch["input_ids"], torch.tensor([[2, 7, 3], [2, 3, 0]]))
    assert torch.equal(batch["attention_mask"], torch.tensor([[1, 1, 1], [1, 1, 0]]))
    assert torch.equal(batch["labels"], torch.tensor([1, 0]))


def test_unknown_format(tokenizer):
    with pytest.raises(RequestError, match=r"text\.format=pairs is not known\. Did you mean pair"):
        check_format("pairs")


@pytest.mark.parametrize("max_length", [0, 4, 33, 8.0])
def test_length_out_of_range(tokenizer, max_length):
    with pytest.raises(RequestError, match="whole number of tokens, 5 to 32"):
        check_lengths(tokenizer, RowRequest(max_length=max_length))


@pytest.mark.parametrize("max_length", [5, 32])
def test_length_in_range(tokenizer, max_length):
    assert check_lengths(tokenizer, RowRequest(max_length=max_length)) == (max_length, max_length)
