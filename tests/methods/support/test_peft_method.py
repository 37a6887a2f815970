"""Files in PEFT's format hold everything that training changed: tied heads, frozen heads, running statistics."""

import pytest
import torch
from peft import PeftModel
from torch import nn
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    RobertaConfig,
    RobertaForSequenceClassification,
)

from frod_bench.errors import RequestError
from frod_bench.methods import attach, load_adapter, make_method

IN_PEFT = {
    "dora": {"rank": 4},
    "frod": {"basis": "peft"},
    "lora": {"rank": 4},
    "milora": {"rank": 4},
    "pissa": {"rank": 4},
    "randlora": {"rank": 8},
    "vera": {"rank": 8},
}
every_method_of_peft = pytest.mark.parametrize("method", IN_PEFT)


def llama():
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    return LlamaForCausalLM(LlamaConfig(vocab_size=50, **sizes, tie_word_embeddings=True)).eval()


def gpt2():
    torch.manual_seed(0)
    sizes = {"n_positions": 16, "n_embd": 32, "n_layer": 2, "n_head": 2, "bos_token_id": 0, "eos_token_id": 0}
    return GPT2LMHeadModel(GPT2Config(vocab_size=50, resid_pdrop=0, embd_pdrop=0, attn_pdrop=0, **sizes)).eval()


def ids():
    return torch.randint(0, 50, (3, 8), generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def logits(model):
    return model.eval()(input_ids=ids()).logits


def trained(method, model, targets, frozen=False):
    made = make_method(method, **IN_PEFT[method], **({"head": "frozen"} if frozen else {}))
    adapted = made.attach(model, targets, ["lm_head"], 0)
    optimizer = torch.optim.AdamW([p for parameters in adapted.roles.values() for p in parameters], lr=3e-3)
    model.train()
    for _ in range(3):
        model(input_ids=ids(), labels=ids()).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return adapted


@every_method_of_peft
@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.filterwarnings("ignore")
def test_a_tied_head_goes_to_peft_and_ours_and_back(method, frozen, tmp_path):
    adapted = trained(method, llama(), ["q_proj", "v_proj"], frozen)
    expected = logits(adapted.model)
    assert not torch.allclose(expected, logits(llama()), atol=2e-3)
    theirs = PeftModel.from_pretrained(llama(), adapted.save(tmp_path / "peft", format="peft"))
    assert torch.allclose(logits(theirs), expected, atol=1e-6)
    assert torch.allclose(logits(theirs.merge_and_unload()), expected, atol=1e-6)
    assert torch.equal(logits(load_adapter(llama(), adapted.save(tmp_path / "own")).model), expected)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("make", "targets"), [(llama, ["q_proj", "v_proj"]), (gpt2, ["c_attn"])])
def test_frod_with_a_tied_head_reads_its_file_for_peft(make, targets, tmp_path):
    adapted = trained("frod", make(), targets)
    folder = adapted.save(tmp_path, format="peft")
    for model in (load_adapter(make(), folder).model, PeftModel.from_pretrained(make(), folder)):
        assert torch.allclose(logits(model), logits(adapted.model), atol=1e-6)


@every_method_of_peft
@pytest.mark.filterwarnings("ignore")
def test_statistics_in_the_body_and_in_the_head_go_to_peft(method, tmp_path):
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm, self.body = nn.BatchNorm1d(8), nn.Linear(8, 16)
            self.head = nn.Sequential(nn.BatchNorm1d(16), nn.Linear(16, 3))

        def forward(self, x):
            return self.head(self.body(self.norm(x)))

    def make():
        torch.manual_seed(0)
        return Model()

    adapted = attach(make(), method, targets=["body"], head=["head"], **IN_PEFT[method])
    for _ in range(5):
        adapted.model.train()(3 + torch.randn(20, 8))
    theirs = PeftModel.from_pretrained(make(), adapted.save(tmp_path, format="peft"))
    x = torch.randn(4, 8)
    assert torch.allclose(theirs.eval()(x), adapted.model.eval()(x), atol=1e-6)


CLASSIFIERS = IN_PEFT | {"lori": {"rank": 4}}


def classifier():
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    return RobertaForSequenceClassification(RobertaConfig(vocab_size=50, max_position_embeddings=12, **sizes)).eval()


@pytest.mark.parametrize("method", CLASSIFIERS)
@pytest.mark.filterwarnings("ignore")
def test_a_classifier_with_a_new_head_goes_to_peft(method, tmp_path):
    targets = ["query", "value", "output.dense"]
    adapted = attach(classifier(), method, targets=targets, head=["classifier"], **CLASSIFIERS[method])
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameters in adapted.roles.values():
            for parameter in parameters:
                parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    expected = logits(adapted.model)
    assert not torch.allclose(expected, logits(classifier()), atol=1e-2)
    theirs = PeftModel.from_pretrained(classifier(), adapted.save(tmp_path, format="peft"))
    torch.testing.assert_close(logits(theirs), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("method", ["full_ft", "fura", "goat", "qfura"])
def test_a_method_that_peft_does_not_have_says_so(method, tmp_path):
    adapted = attach(classifier(), method, targets=["query", "value"], head=["classifier"])
    with pytest.raises(RequestError, match=f"{method} has no form in PEFT"):
        adapted.save(tmp_path, format="peft")
