"""A two-layer BERT classifier of width 32, a batch for it, and a few steps of training."""

import pytest
import torch
from peft import get_peft_model
from peft.utils import ModulesToSaveWrapper
from transformers import BertConfig, BertForSequenceClassification

from frod_bench.methods import attach

TARGETS = ["query", "key", "value", "output.dense", "intermediate.dense"]
HEAD = ["classifier"]


@pytest.fixture
def targets():
    return list(TARGETS)


@pytest.fixture
def head():
    return list(HEAD)


@pytest.fixture
def make_model():
    """Return a function that builds the same model every time, without dropout, in evaluation."""

    def make(layers=2):
        config = BertConfig(
            vocab_size=50,
            hidden_size=32,
            num_hidden_layers=layers,
            num_attention_heads=2,
            intermediate_size=64,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model = BertForSequenceClassification(config)
            for parameter in model.parameters():  # the initial scale of 0.02 hides what the adapters do
                if parameter.dim() == 2:
                    parameter.data.normal_(std=0.2)
        return model.eval()

    return make


@pytest.fixture
def attached(make_model, targets, head):
    """Return a function that attaches a method to a fresh model."""
    return lambda method, model=None, **kwargs: attach(
        make_model() if model is None else model, method, targets=targets, head=head, **kwargs
    )


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(5, 50, (4, 7), generator=generator)
    return {"input_ids": ids, "labels": torch.tensor([0, 1, 1, 0])}


@pytest.fixture
def logits(batch):
    """Return a function from a model to its logits in evaluation."""

    def compute(model):
        model.eval()
        with torch.no_grad():
            return model(input_ids=batch["input_ids"]).logits

    return compute


@pytest.fixture
def train(batch):
    """Return a function that takes AdamW steps on the trainable parameters and leaves evaluation mode on."""

    def take(model, steps=3, lr=1e-2):
        model.train()
        optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=lr)
        for _ in range(steps):
            optimizer.zero_grad()
            model(**batch).loss.backward()
            optimizer.step()
        model.eval()

    return take


@pytest.fixture
def same_steps(make_model, targets, head, train, logits):
    """Return a function that trains a method of ours and PEFT's from one seed and wants the same bits."""

    def compare(config, method, dtype=torch.float32, /, **options):
        torch.manual_seed(7)
        config.target_modules, config.modules_to_save = set(targets), head
        theirs = get_peft_model(make_model().to(dtype), config)
        for module in theirs.modules():  # PEFT trains a copy of the head in float32
            if isinstance(module, ModulesToSaveWrapper):
                module.to(dtype)
        ours = attach(make_model().to(dtype), method, targets=targets, head=head, seed=7, **options)
        assert {p.dtype for p in ours.roles["adapter"]} == {torch.float32}
        start = logits(ours.model)
        train(theirs, steps=5)
        train(ours.model, steps=5)
        assert torch.equal(logits(ours.model), logits(theirs)) and not torch.equal(logits(ours.model), start)

    return compare
