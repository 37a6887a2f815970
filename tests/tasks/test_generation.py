import pytest
import torch

from frod_bench.errors import RunFailure
from frod_bench.tasks.formats import PadLeft
from frod_bench.tasks.generation import MAX_NEW_TOKENS, Generation

ANSWERS = [["false", "true"], ["answer1", "answer2"]]
# prompt, task, what the model learns to say, the prediction counted through both tasks
KNOWN = [
    ("is it?", 0, "is true and false", 1),
    ("was it, in the end?", 0, "is false", 0),
    ("which?", 1, "is answer2 </s>", 3),
    ("whose?", 1, "is true", -1),  # an answer of the other task is none
]


@pytest.fixture(scope="module")
def taught(llama):
    """A language model that has learned what to say to each prompt."""
    build, tokenizer = llama
    rows = []
    for prompt, _, response, _ in KNOWN:
        ids = tokenizer(prompt)["input_ids"]
        end = [*tokenizer(response, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
        rows.append({"input_ids": ids + end, "labels": [-100] * len(ids) + end})
    model, batch = build().train(), PadLeft(tokenizer)(rows)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(150):
        optimizer.zero_grad()
        loss = model(**batch).loss
        loss.backward()
        optimizer.step()
    assert loss < 0.05
    return model.eval()


def prompts(tokenizer, known=KNOWN):
    rows = [{"input_ids": tokenizer(text)["input_ids"], "labels": 0, "task": task} for text, task, *_ in known]
    return PadLeft(tokenizer)(rows)


@pytest.mark.parametrize("beams", [1, 3])
@torch.no_grad()
def test_answers_are_generated_and_matched(llama, taught, beams):
    _, tokenizer = llama
    generation = Generation(tokenizer, ANSWERS, beams)
    expected = [prediction for *_, prediction in KNOWN]
    found = generation(taught, prompts(tokenizer))
    assert [row.answer for row in found] == expected
    assert found[3].text.startswith("is true") and found[3].scores is None
    alone = [generation(taught, prompts(tokenizer, [row]))[0].answer for row in KNOWN]
    assert alone == expected


@pytest.mark.parametrize(("marker", "expected"), [("### Response:", [-1, 3]), ("", [1, 3]), ("Say:", [1, 3])])
def test_a_text_is_read_up_to_the_next_marker(llama, marker, expected):
    _, tokenizer = llama
    texts = ["hm ### Response: true", "answer2 ### Response: answer1"]
    generated = tokenizer(texts, padding=True, add_special_tokens=False, return_tensors="pt")["input_ids"]
    found = Generation(tokenizer, ANSWERS, 1, marker).match(generated, [0, 1])
    assert [row.answer for row in found] == expected


@torch.no_grad()
def test_generation_ends_with_the_last_answer(llama, taught, monkeypatch):
    _, tokenizer = llama
    lengths = []
    generate = taught.generate
    monkeypatch.setattr(taught, "generate", lambda **kw: (lengths.append((out := generate(**kw)).shape[1]), out)[1])
    batch = prompts(tokenizer, KNOWN[:2])
    Generation(tokenizer, ANSWERS, 1)(taught, batch)
    new = lengths[0] - batch["input_ids"].shape[1]
    assert new == len("is false") < MAX_NEW_TOKENS  # bytes are tokens; "is true" ended before


@torch.no_grad()
def test_beams_are_those_of_the_library(llama, taught):
    """An answer does not end a beam: what comes after it decides which one wins."""
    build, tokenizer = llama
    model, batch = build().eval(), prompts(tokenizer, KNOWN[:2])
    generation = Generation(tokenizer, ANSWERS, 4)
    ids, mask = batch["input_ids"], batch["attention_mask"]
    own = {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id}
    expected = model.generate(
        ids, attention_mask=mask, num_beams=4, do_sample=False, max_new_tokens=MAX_NEW_TOKENS, **own
    )
    seen = []
    generation.match = lambda output, tasks: seen.append(output) or [(0, task) for task in tasks]
    generation(model, batch)
    assert torch.equal(seen[0], expected[:, ids.shape[1] :])


@torch.no_grad()
def test_a_model_that_says_nothing_known_is_unmatched(llama):
    build, tokenizer = llama
    found = Generation(tokenizer, ANSWERS, 1)(build().eval(), prompts(tokenizer))
    assert [row.answer for row in found] == [-1] * 4


def test_outputs_that_are_not_finite(llama):
    build, tokenizer = llama
    model = build().eval()
    model.lm_head.weight.data[:] = float("nan")
    with pytest.raises(RunFailure, match="not finite"):
        Generation(tokenizer, ANSWERS, 1)(model, prompts(tokenizer))
