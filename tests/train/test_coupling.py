"""A step gives the same adapter however it is cut into micro-batches, for every method, or the request is refused."""

from types import SimpleNamespace

import pytest
import torch
from datasets import Dataset
from torch import nn
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    LlamaConfig,
    LlamaForCausalLM,
    MixtralConfig,
    MixtralForCausalLM,
)

from frod_bench.adapters.moe_lora import MoeLoraLinear
from frod_bench.errors import OutOfMemory, RequestError
from frod_bench.methods import attach, make_method, method_names
from frod_bench.tasks.base import Metric, TaskData
from frod_bench.tasks.formats import IGNORED, PadLeft
from frod_bench.train.accelerator import make_accelerator
from frod_bench.train.coupling import last_statistics
from frod_bench.train.settings import TrainSettings
from frod_bench.train.trainer import Trainer

WORDS, ROWS, BATCH = 50, 157, 8  # 20 steps, of which the last has 5 rows
TOKENIZER = type("Tokenizer", (), {"pad_token_id": 0})()


def classifier():
    config = BertConfig(
        vocab_size=WORDS, hidden_size=64, num_hidden_layers=2, num_attention_heads=2, intermediate_size=128,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    return BertForSequenceClassification(config), ["query", "value", "intermediate.dense"], ["classifier"]


def language_model():
    config = LlamaConfig(
        vocab_size=WORDS, hidden_size=64, num_hidden_layers=2, num_attention_heads=2, intermediate_size=128,
    )  # fmt: skip
    return LlamaForCausalLM(config), ["q_proj", "v_proj", "up_proj"], []


def make_rows(words):
    """Return rows of 3 to 20 tokens; labels are classes, or with `words` the row's last 1 to 5 tokens."""
    generator = torch.Generator().manual_seed(0)
    draw = lambda low, high: int(torch.randint(low, high + 1, (1,), generator=generator))  # noqa: E731
    rows = []
    for _ in range(ROWS):
        ids = [draw(1, WORDS - 1) for _ in range(draw(3, 20))]
        predicted = min(draw(1, 5), len(ids) - 1)
        labels = [IGNORED] * (len(ids) - predicted) + ids[-predicted:] if words else ids[0] % 2
        rows.append({"input_ids": ids, "labels": labels, "length": len(ids)})
    return Dataset.from_list(rows)


def pad_right(rows):
    longest = max(len(row["input_ids"]) for row in rows)
    rest = [longest - len(row["input_ids"]) for row in rows]
    return {
        "input_ids": torch.tensor([row["input_ids"] + [0] * n for row, n in zip(rows, rest, strict=True)]),
        "attention_mask": torch.tensor([[1] * (longest - n) + [0] * n for n in rest]),
        "labels": torch.tensor([row["labels"] for row in rows]),
    }


def make_trainer(method, parts, words, build=None, **options):
    torch.manual_seed(0)
    model, targets, head = (build or (language_model if words else classifier))()
    for parameter in model.parameters():  # the initial scale of 0.02 hides what the adapters do
        if parameter.dim() == 2:
            parameter.data.normal_(std=0.2)
    made = make_method(method)
    rates = dict.fromkeys(made.roles, 1e-3)
    settings = TrainSettings(
        epochs=1,
        batch_size=BATCH,
        gradient_accumulation_steps=parts,
        lr=rates,
        roles=made.roles,
        device="cpu",
    )
    rows = make_rows(words)
    data = TaskData(
        train=rows, evaluation={"validation": rows.select(range(8))}, holdout=None, reported="validation",
        row_ids={"validation": range(8)},
        num_labels=None if words else 2, label_names=["one", "two"], metric=Metric("accuracy"),
        collate=PadLeft(TOKENIZER) if words else pad_right, measure=lambda *_: {"accuracy": 0.0},
        samples={"train": ROWS, "eval": 8}, provenance={"source": "made up"},
    )  # fmt: skip
    adapted = attach(model, method, targets=targets, head=head, seed=0, **options)
    return Trainer(adapted, data, settings, 0, make_accelerator(settings))


def trained(trainer, silent):
    """Return the values that train after one epoch, in a row, and the losses of its steps.

    Of a gradient that is rounding alone, as a key's bias has it, AdamW makes whole steps unless its eps is larger.
    """
    for group in trainer.optimizer.param_groups:
        group["eps"] = 1e-5
    losses = trainer.train_epoch(0, silent).losses
    state = trainer.adapted.trainable_state()
    return torch.cat([state[name].flatten().double() for name in sorted(state)]), losses


CASES = [(name, {}) for name in method_names()]
CASES += [("frod", {"way": way}) for way in ("factored", "residual", "merged")]
CASES += [("frod", {"way": way, "side": "short", "accumulate_weight": True}) for way in ("merged", "right_merged")]
CASES += [("goat", {"balance": balance}) for balance in (0.0, 1.0)]


@pytest.mark.parametrize("words", [False, True], ids=["classification", "language model"])
@pytest.mark.parametrize(("method", "options"), CASES)
def test_a_step_in_parts_trains_the_same_adapter(method, options, words, silent):
    whole, losses = trained(make_trainer(method, 1, words, **options), silent)
    assert len(losses) == 20
    for parts in (2, 4):
        cut, same = trained(make_trainer(method, parts, words, **options), silent)
        assert (cut - whole).norm() <= 1e-5 * whole.norm()
        assert same == pytest.approx(losses, rel=1e-5)


def test_a_term_over_the_whole_step_survives_checkpointing(silent):
    """With checkpointing and parts, against neither; the term matters here."""
    plain, _ = trained(make_trainer("goat", 1, False, balance=1.0), silent)
    trainer = make_trainer("goat", 4, False, balance=1.0)
    trainer.adapted.model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    cut, _ = trained(trainer, silent)
    assert (cut - plain).norm() <= 1e-5 * plain.norm()
    without, _ = trained(make_trainer("goat", 1, False, balance=0.0), silent)
    assert (without - plain).norm() > 1e-2 * plain.norm()


def test_a_survey_of_the_step_leaves_the_dropout_of_its_parts(silent, monkeypatch):
    """The passes that count the routes drop the same units out as those that train."""
    trainer, seen = make_trainer("goat", 2, False, dropout=0.3), []
    layer = next(module for module in trainer.adapted.model.modules() if isinstance(module, MoeLoraLinear))
    layer.dropout.register_forward_hook(lambda module, inputs, output: seen.append(output.detach() == 0))
    plan = trainer._plan(0)
    monkeypatch.setattr(trainer, "_plan", lambda epoch: plan[:1])
    trainer.train_epoch(0, silent)
    first, second, *trained_on = seen
    assert len(trained_on) == 2 and first.any()
    assert torch.equal(first, trained_on[0]) and torch.equal(second, trained_on[1])


def test_what_a_pass_leaves_behind_goes_when_memory_runs_out(silent, monkeypatch):
    trainer = make_trainer("goat", 1, False)
    trainer.settings.auto_batch = True
    layers = [module for module in trainer.adapted.model.modules() if isinstance(module, MoeLoraLinear)]
    take, kept = trainer._loss, []

    def fail(batch):
        take(batch)
        kept.append(all(layer.routing is not None for layer in layers))
        monkeypatch.setattr(trainer, "_loss", take)
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr(trainer, "_loss", fail)
    monkeypatch.setattr(trainer, "_cut", lambda key, value: kept.append([layer.routing for layer in layers]))
    plan = trainer._plan(0)
    monkeypatch.setattr(trainer, "_plan", lambda epoch: plan[:1])
    trainer.train_epoch(0, silent)
    assert kept == [True, [None] * len(layers)]


class Normalised(nn.Module):
    """A toy whose rows are normalised over the batch."""

    def __init__(self):
        super().__init__()
        self.words, self.query = nn.Embedding(WORDS, 8), nn.Linear(8, 8)
        self.norm, self.classifier = nn.BatchNorm1d(8), nn.Linear(8, 2)

    def forward(self, input_ids, attention_mask, labels):
        logits = self.classifier(self.norm(self.query(self.words(input_ids).mean(1))))
        return SimpleNamespace(loss=nn.functional.cross_entropy(logits, labels), logits=logits)


def mixture_of_experts():
    config = MixtralConfig(
        vocab_size=WORDS, hidden_size=64, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=2,
        intermediate_size=64, output_router_logits=True,
    )  # fmt: skip
    return MixtralForCausalLM(config), ["q_proj"], []


@pytest.mark.parametrize(
    ("build", "words", "reason"),
    [
        (lambda: (Normalised(), ["query"], ["classifier"]), False, r"over the rows of a batch \(norm\)"),
        (mixture_of_experts, True, "output_router_logits"),
    ],
)
def test_a_model_that_couples_rows_is_refused_in_parts(build, words, reason, silent, monkeypatch):
    with pytest.raises(RequestError, match=rf"{reason}.*train.gradient_accumulation_steps=1"):
        make_trainer("lora", 2, words, build)
    trainer = make_trainer("lora", 1, words, build)
    trainer.settings.auto_batch = True

    def fail(batch):
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr(trainer, "_loss", fail)
    with pytest.raises(OutOfMemory) as failure:
        trainer.train_epoch(0, silent)
    assert failure.value.key is None and "gradient_accumulation_steps" not in str(failure.value)


def test_a_process_without_a_row_of_its_own_adds_nothing_to_the_step():
    trainer = make_trainer("goat", 1, False)
    trainer.model.train()(**pad_right([trainer.data.train[0]]))
    assert last_statistics(trainer.adapted, 1, trainer.accelerator).sum() > 0
    assert last_statistics(trainer.adapted, 0, trainer.accelerator).sum() == 0
