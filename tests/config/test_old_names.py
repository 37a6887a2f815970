import pytest

from frod_bench.config.old_names import current_override


@pytest.mark.parametrize(
    ("word", "current"),
    [
        ("train.accumulate=2", "train.gradient_accumulation_steps=2"),
        ("train.warmup=0.1,0.2", "train.warmup_steps=0.1,0.2"),
        ("train.clip_norm=null", "train.max_grad_norm=null"),
    ],
)
def test_an_old_name_is_replaced_with_a_sentence(word, current, capsys):
    assert current_override(word) == current
    old, new = word.partition("=")[0], current.partition("=")[0]
    assert f"{old} is now {new};" in capsys.readouterr().err


@pytest.mark.parametrize("word", ["train.accumulate", "train.epochs=3", "method.warmup=1", "--multirun", "runs/a=b"])
def test_another_word_stays_as_it_is(word, capsys):
    assert current_override(word) == word
    assert capsys.readouterr().err == ""
