import pytest
import torch

from frod_bench.errors import RunFailure
from frod_bench.tasks.formats import PadLeft
from frod_bench.tasks.likelihood import Likelihood

RESPONSES = [["is true", "is false"], ["is answer1", "is answer2", "no"]]
PROMPTS = [("short", 0), ("a much longer prompt", 1), ("middle one", 1), ("another", 0)]


def batch_of(tokenizer):
    rows = [{"input_ids": tokenizer(text)["input_ids"], "labels": 0, "task": task} for text, task in PROMPTS]
    return PadLeft(tokenizer)(rows)


def naive(model, tokenizer, per_token):
    """The place of the best response, every pair read whole and by itself, in float64."""
    model = model.double()
    chosen = []
    for text, task in PROMPTS:
        prompt = tokenizer(text)["input_ids"]
        scores = []
        for response in RESPONSES[task]:
            tokens = tokenizer(response, add_special_tokens=False)["input_ids"]
            ids = torch.tensor([prompt + tokens])
            likely = model(input_ids=ids).logits.log_softmax(-1)[0]
            each = [likely[len(prompt) + i - 1, token].item() for i, token in enumerate(tokens)]
            scores.append(sum(each) / (len(tokens) if per_token else 1))
        chosen.append((scores, (0, 2)[task] + scores.index(max(scores))))
    return chosen


@pytest.mark.parametrize("per_token", [False, True])
@torch.no_grad()
def test_padded_batches_with_a_cache_agree_with_a_naive_loop(llama, per_token):
    build, tokenizer = llama
    likelihood = Likelihood(tokenizer, RESPONSES, per_token)
    model = build().eval()
    batch = batch_of(tokenizer)
    chosen = likelihood(model, batch)
    rows = batch["task"] == 1
    scores = likelihood._scores(model, batch["input_ids"][rows], batch["attention_mask"][rows], likelihood._tokens[1])
    expected = naive(model, tokenizer, per_token)
    assert [row.answer for row in chosen] == [place for _, place in expected]
    for row, (own, _) in zip(chosen, expected, strict=True):
        assert row.scores == pytest.approx(own, rel=1e-4, abs=1e-4)
    reference = [scores for scores, place in expected if place >= 2]
    torch.testing.assert_close(scores, torch.tensor(reference, dtype=torch.float32), rtol=1e-4, atol=1e-4)


def test_outputs_that_are_not_finite(llama):
    build, tokenizer = llama
    model = build().eval()
    model.lm_head.weight.data[:] = float("nan")
    with pytest.raises(RunFailure, match="not finite"):
        Likelihood(tokenizer, RESPONSES, per_token=False)(model, batch_of(tokenizer))


@pytest.mark.parametrize("together", [False, True])
def test_processes_that_hold_the_weights_together_call_the_model_equally_often(llama, together):
    build, tokenizer = llama
    likelihood = Likelihood(tokenizer, RESPONSES, per_token=False)
    model = build().eval()
    model._is_fsdp_managed_module = together
    calls = []
    model.register_forward_pre_hook(lambda *_: calls.append(1))
    batch = batch_of(tokenizer)
    of_one_task = {key: value[batch["task"] == 1] for key, value in batch.items() if isinstance(value, torch.Tensor)}
    everything = likelihood(model, batch)
    both = len(calls)
    assert likelihood(model, of_one_task) == [p for p, task in zip(everything, batch["task"], strict=True) if task == 1]
    assert (len(calls) == 2 * both) is together
