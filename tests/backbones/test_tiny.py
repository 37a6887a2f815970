import pytest
import torch

from frod_bench.errors import RequestError


@pytest.mark.parametrize("text", ["a plain sentence", "Füße, naïve — 漢字 🙂", "  two  spaces\nand a line ", ""])
def test_tokenizer_round_trip(tiny, text):
    tokenizer = tiny.processor()
    assert tokenizer.decode(tokenizer(text)["input_ids"], skip_special_tokens=True) == text


def test_tokenizer_frames_pairs_as_roberta(tiny):
    encoded = tiny.processor()("a", "b")
    assert tiny.processor().convert_ids_to_tokens(encoded["input_ids"]) == [
        "<s>", "a", "</s>", "</s>", "b", "</s>",
    ]  # fmt: skip
    assert set(encoded) == {"input_ids", "attention_mask"}


def test_padding_does_not_change_the_logits(tiny):
    tokenizer, model = tiny.processor(), tiny.build(2, seed=0)
    both = tokenizer(["short", "a much longer text"], padding=True, return_tensors="pt")
    alone = tokenizer(["short"], return_tensors="pt")
    with torch.no_grad():
        assert torch.allclose(model(**both).logits[:1], model(**alone).logits, atol=1e-6)


def test_head_depends_on_the_seed_and_the_body_does_not(tiny):
    first, again, other = (tiny.build(2, seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[name], again[name]) for name in first)
    differing = {name for name in first if not torch.equal(first[name], other[name])}
    assert differing == {"classifier.dense.weight", "classifier.out_proj.weight"}


def test_build_leaves_the_global_generator_alone(tiny):
    state = torch.get_rng_state()
    tiny.build(2, seed=0)
    assert torch.equal(torch.get_rng_state(), state)


def test_model_is_float32_with_the_asked_labels_and_the_dropout_of_its_config(tiny):
    tiny.architecture["hidden_dropout_prob"] = 0.3
    model = tiny.build(5, seed=0)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert model.classifier.out_proj.out_features == 5
    assert model.classifier.dropout.p == 0.3


def test_provenance_tells_architectures_apart(tiny):
    first = tiny.provenance()
    tiny.architecture["hidden_size"] = 64
    assert first["source"] == "random"
    assert first["fingerprint"] != tiny.provenance()["fingerprint"]


def test_what_reads_in_both_directions_writes_no_answers(tiny):
    with pytest.raises(RequestError, match="roberta reads text in both directions"):
        tiny.build(None, seed=0)
