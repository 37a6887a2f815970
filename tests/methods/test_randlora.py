"""The scaling of RandLoRA: PEFT divides alpha by r, the authors' code by r sqrt(N)."""

from math import ceil, sqrt

import pytest
import torch
import yaml
from peft import PeftModel
from torch import nn
from transformers import BertConfig, BertForSequenceClassification, get_cosine_schedule_with_warmup

from frod_bench.config.paths import config_dir
from frod_bench.errors import RequestError
from frod_bench.methods import attach, load_adapter
from frod_bench.methods.support.peft_method import tuner_layers

STEPS = 10


class AuthorsLinear(nn.Module):
    """y = W x + alpha / (r sqrt(N)) (sum_p b_p a_p^T) drop(x), the update transposed for a wide W.

    a_p is a row of A times lambda and gamma, counted row by row; b_p a column of B, counted base by base. The authors'
    code and PEFT's pair them like this, the paper's sum does not.
    """

    def __init__(self, base, A, B, rank, alpha, dropout):
        super().__init__()
        d, D = sorted((base.in_features, base.out_features))
        N = ceil(d / rank)
        self.base, self.wide = base, base.in_features > base.out_features
        self.A, self.B = A[:, 0, :d], B[:D, :N]
        self.lam, self.gamma = nn.Parameter(torch.zeros(rank, N)), nn.Parameter(torch.full((N, d), 1 / max(N, d)))
        self.scale, self.dropout = alpha / (rank * sqrt(N)), nn.Dropout(dropout)

    def forward(self, x):
        y = self.base(x)
        rows = torch.einsum("kj,kd,jd->kjd", self.lam, self.A, self.gamma).flatten(end_dim=1)
        update = self.B.flatten(start_dim=1) @ rows
        return y + self.scale * self.dropout(x) @ (update if self.wide else update.T)


def make_model(width):
    config = BertConfig(
        vocab_size=50,
        hidden_size=width,
        num_hidden_layers=1,
        num_attention_heads=4,
        intermediate_size=4 * width,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    torch.manual_seed(0)
    model = BertForSequenceClassification(config).train()
    for parameter in model.parameters():  # the initial scale of 0.02 hides what the adapters do
        if parameter.dim() == 2:
            parameter.data.normal_(std=width**-0.5)
    return model


def losses(model, parameters, rate, batch):
    optimizer = torch.optim.AdamW(parameters, lr=rate, weight_decay=0.01)
    schedule = get_cosine_schedule_with_warmup(optimizer, 1, 2 * STEPS)
    torch.manual_seed(1)
    seen = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = model(**batch).loss
        loss.backward()
        optimizer.step()
        schedule.step()
        seen.append(loss.item())
    return torch.tensor(seen)


@pytest.mark.parametrize(("suite", "width"), [("glue", 352), ("commonsense", 256)])
def test_ten_losses_of_the_recipe_are_those_of_the_authors_scaling(suite, width, targets, batch):
    recipe = yaml.safe_load((config_dir() / f"recipe/{suite}.yaml").read_text())["released"]["randlora"]
    rate = recipe.pop("lr")["adapter"]
    ours, theirs = make_model(width), make_model(width)  # in float64, as AdamW makes a step of a rounding error too
    adapted = attach(ours, "randlora", targets=targets, seed=3, **recipe)
    layers = dict(tuner_layers(ours.double()))
    theirs.requires_grad_(False)
    for name, layer in layers.items():
        A, B = layer.randlora_A["default"], layer.randlora_B["default"]
        own = AuthorsLinear(
            theirs.get_submodule(name), A, B, *(recipe[option] for option in ("rank", "alpha", "dropout"))
        )
        theirs.set_submodule(name, own)
    theirs.double()
    trained = [p for p in theirs.parameters() if p.requires_grad]
    assert sum(p.numel() for p in trained) == adapted.count()["adapter"]
    expected = losses(theirs, trained, rate, batch)
    assert (losses(ours, adapted.roles["adapter"], rate, batch) - expected).abs().max() < 1e-6
    other = attach(make_model(width), "randlora", targets=targets, seed=3, **recipe | {"scaling": "peft"})
    other.model.double()
    assert (losses(other.model, other.roles["adapter"], rate, batch) - expected).abs().max() > 1e-3


def test_the_scaling_of_a_layer_is_that_of_its_own_number_of_bases():
    model = nn.ModuleDict({"wide": nn.Linear(40, 10), "square": nn.Linear(38, 38)})
    attach(model, "randlora", targets=["wide", "square"], rank=5, alpha=10.0, scaling="authors")
    scales = {name: layer.scaling["default"] for name, layer in model.items()}
    assert scales == pytest.approx({"wide": 2 / sqrt(2), "square": 2 / sqrt(8)})


def test_saved_merged_and_loaded_by_peft_it_is_the_same_function(make_model, targets, head, train, logits, tmp_path):
    options = {"rank": 5, "alpha": 10.0, "scaling": "authors"}
    adapted = attach(make_model(), "randlora", targets=targets, head=head, seed=3, **options)
    start = logits(adapted.model)
    train(adapted.model)
    expected = logits(adapted.model)
    assert (expected - start).abs().max() > 0.01
    adapted.save(tmp_path / "own")
    adapted.save(tmp_path / "peft", format="peft")
    torch.testing.assert_close(logits(load_adapter(make_model(), tmp_path / "own").model), expected)
    torch.testing.assert_close(logits(PeftModel.from_pretrained(make_model(), tmp_path / "peft")), expected)
    torch.testing.assert_close(logits(adapted.merge()), expected)


def test_an_unknown_scaling_is_refused(make_model, targets):
    with pytest.raises(RequestError, match=r"scaling=author is not .*authors"):
        attach(make_model(), "randlora", targets=targets, scaling="author")
