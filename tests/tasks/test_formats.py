import pytest
import torch
from datasets import Dataset

from frod_bench.errors import RequestError
from frod_bench.tasks.base import Prediction
from frod_bench.tasks.formats import IGNORED, Classification, Instruction, PadLeft

QUESTIONS = {
    "pieces": [["Is ", "snow", " white?"], ["Is ", "a very black raven", " white?"]],
    "origin": ["Row 0 of here", "Row 1 of here"],
    "labels": [1, 0],
    "task": [0, 0],
}
OPTIONS = {"wrapper": "Do: {instruction} Say: ", "response": "it is {answer}", "scoring": "generation"}
OPTIONS |= {"loss_on": "response", "beams": 1}


@pytest.fixture
def questions():
    return Dataset.from_dict(QUESTIONS)


def instruction(tokenizer, max_length=100, eval_max_length=None, **changes):
    return Instruction(tokenizer, [["false", "true"]], max_length, eval_max_length or max_length, **OPTIONS | changes)


def test_a_classifier_reads_the_prompt(llama, questions):
    _, tokenizer = llama
    form = Classification(tokenizer, ["false", "true"], 25, 40)
    rows = form.encode(questions, True, "x")
    assert tokenizer.batch_decode(list(rows["input_ids"])) == ["<s>Is snow white?", "<s>Is a very black r white?"]
    assert (list(rows["labels"]), list(rows["cut"]), list(rows["length"])) == ([1, 0], [False, True], [15, 25])
    batch = form.collate(list(rows.remove_columns("cut")))
    assert batch["input_ids"].shape == (2, 25) and batch["labels"].tolist() == [1, 0]
    assert form.num_labels == 2
    predicted = form.encode(questions, False, "x")
    assert (predicted[1]["length"], list(predicted["cut"])) == (29, [False, False])


@pytest.mark.parametrize("loss_on", ["response", "sequence"])
def test_rows_to_train_on_hold_the_response(llama, questions, loss_on):
    _, tokenizer = llama
    rows = instruction(tokenizer, loss_on=loss_on).encode(questions, True, "x")
    first = rows[0]
    assert tokenizer.decode(first["input_ids"]) == "<s>Do: Is snow white? Say: it is true</s>"
    counted = [token for token in first["labels"] if token != IGNORED]
    assert tokenizer.decode(counted) == (
        "it is true</s>" if loss_on == "response" else "Do: Is snow white? Say: it is true</s>"
    )
    assert "task" not in rows.column_names


def test_rows_to_predict_end_where_the_response_begins(llama, questions):
    _, tokenizer = llama
    form = instruction(tokenizer)
    trained, predicted = (form.encode(questions, answered, "x") for answered in (True, False))
    for whole, prompt in zip(trained["input_ids"], predicted["input_ids"], strict=True):
        assert whole[: len(prompt)] == prompt
    assert list(predicted["labels"]) == [1, 0]


def test_the_response_always_has_room(llama, questions):
    _, tokenizer = llama
    form = instruction(tokenizer, max_length=36)
    trained, predicted = (form.encode(questions, answered, "x") for answered in (True, False))
    assert max(trained["length"]) <= 36
    assert list(trained["cut"]) == list(predicted["cut"]) == [True, True]
    assert tokenizer.decode(trained[1]["input_ids"]).endswith(" white? Say: it is false</s>")


def test_prompts_to_predict_have_a_length_of_their_own(llama, questions):
    _, tokenizer = llama
    form = instruction(tokenizer, max_length=36, eval_max_length=100)
    trained, predicted = (form.encode(questions, answered, "x") for answered in (True, False))
    assert (list(trained["cut"]), list(predicted["cut"])) == ([True, True], [False, False])
    assert tokenizer.decode(predicted[1]["input_ids"]) == "<s>Do: Is a very black raven white? Say: "


def test_a_text_is_read_up_to_where_the_wrapper_begins_again(llama):
    _, tokenizer = llama
    said = tokenizer(["hm Say: true"], add_special_tokens=False, return_tensors="pt")["input_ids"]
    assert instruction(tokenizer).predict.match(said, [0]) == [Prediction(-1, text="hm ")]


def test_padding_is_in_front(llama):
    _, tokenizer = llama
    pad = tokenizer.pad_token_id
    collate = PadLeft(tokenizer)
    trained = collate([{"input_ids": [5], "labels": [5]}, {"input_ids": [6, 7], "labels": [IGNORED, 7]}])
    assert trained["input_ids"].tolist() == [[pad, 5], [6, 7]]
    assert trained["attention_mask"].tolist() == [[0, 1], [1, 1]]
    assert trained["labels"].tolist() == [[IGNORED, 5], [IGNORED, 7]]
    predicted = collate([{"input_ids": [5], "labels": 3, "task": 1}, {"input_ids": [6, 7], "labels": 2, "task": 0}])
    assert predicted["labels"].tolist() == [3, 2] and predicted["task"].tolist() == [1, 0]


@pytest.mark.parametrize(("loss_on", "whole"), [("response", False), ("sequence", True)])
def test_what_the_loss_leaves_out_is_not_computed(llama, questions, loss_on, whole):
    build, tokenizer = llama
    model, form = build().eval(), instruction(tokenizer, loss_on=loss_on)
    rows = [{k: row[k] for k in ("input_ids", "labels")} for row in form.encode(questions, True, "x")]
    batch = form.collate(rows)
    longest = batch["input_ids"].shape[1]
    assert batch["labels"].shape[1] == batch["logits_to_keep"]
    assert (batch["logits_to_keep"] == longest) is whole
    everything = torch.tensor([[IGNORED] * (longest - len(r["labels"])) + list(r["labels"]) for r in rows])
    short, full = model(**batch), model(batch["input_ids"], batch["attention_mask"], labels=everything)
    assert short.logits.shape[1] == batch["logits_to_keep"]
    assert (batch["labels"][:, 1:] != IGNORED).sum() == (everything[:, 1:] != IGNORED).sum()
    torch.testing.assert_close(short.loss, full.loss)


@torch.no_grad()
def test_padding_changes_no_loss(llama, questions):
    build, tokenizer = llama
    model, form = build().eval(), instruction(tokenizer)
    rows = [{k: row[k] for k in ("input_ids", "labels")} for row in form.encode(questions, True, "x")]
    together = model(**form.collate(rows)).logits
    for row, logits in zip(rows, together, strict=True):
        alone = model(**form.collate([row])).logits[0]
        torch.testing.assert_close(logits[-len(alone) :], alone, rtol=1e-4, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("loss_on", ["response", "sequence"])
def test_the_loss_of_a_batch_is_the_mean_over_the_tokens_of_its_rows(llama, questions, loss_on):
    """So it does not depend on how rows are put together: a padded row counts as many tokens as one alone."""
    build, tokenizer = llama
    model, form = build().eval(), instruction(tokenizer, loss_on=loss_on)
    rows = [{k: row[k] for k in ("input_ids", "labels")} for row in form.encode(questions, True, "x")]
    assert len({len(row["input_ids"]) for row in rows}) > 1

    def counted(batch):
        return (batch["labels"][:, 1:] != IGNORED).sum().item()

    alone = [form.collate([row]) for row in rows]
    together = form.collate(rows)
    assert counted(together) == sum(map(counted, alone))
    mean = sum(model(**batch).loss * counted(batch) for batch in alone) / counted(together)
    torch.testing.assert_close(model(**together).loss, mean)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scoring": "beam"}, "task.scoring=beam is not accepted .* likelihood"),
        ({"scoring": None}, "task.scoring=None .* protocol=paper"),
        ({"loss_on": "prompt"}, "task.loss_on=prompt .* response, sequence"),
        ({"beams": 0}, "task.beams=0"),
        ({"beams": True}, "task.beams=True"),
        ({"wrapper": "Do it."}, "task.wrapper='Do it.' .* {instruction} in it"),
        ({"response": "it is {it}"}, "task.response='it is {it}' .* {answer} in it"),
    ],
)
def test_bad_options_are_named(llama, change, message):
    with pytest.raises(RequestError, match=message):
        instruction(llama[1], **change)
