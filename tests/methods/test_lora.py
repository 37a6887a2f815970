"""LoRA is PEFT's: the same steps as `get_peft_model`, and a checkpoint that PEFT loads."""

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model

from frod_bench.errors import RequestError
from frod_bench.methods import attach, load_adapter


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_steps_equal_pefts(dtype, same_steps):
    same_steps(LoraConfig(r=4, lora_alpha=8), "lora", dtype, rank=4, alpha=8.0)


def test_only_a_depends_on_the_seed(make_model, targets, head):
    first, second = (attach(make_model(), "lora", targets=targets, head=head, seed=s).trainable_state() for s in (0, 1))
    for name, value in first.items():
        assert torch.equal(value, second[name]) == ("lora_A" not in name), name
        assert "lora_B" not in name or (value == 0).all()


def test_peft_loads_a_checkpoint(make_model, targets, head, train, logits, tmp_path):
    adapted = attach(make_model(), "lora", targets=targets, head=head, seed=0, rank=4)
    train(adapted.model)
    adapted.save(tmp_path, format="peft")
    theirs = PeftModel.from_pretrained(make_model(), tmp_path)
    assert torch.equal(logits(theirs), logits(adapted.model))


def test_reading_a_checkpoint_of_peft_is_refused(make_model, targets, tmp_path):
    get_peft_model(make_model(), LoraConfig(target_modules=targets)).save_pretrained(tmp_path)
    with pytest.raises(RequestError, match="PeftModel"):
        load_adapter(make_model(), tmp_path)
