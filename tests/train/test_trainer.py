import math
from types import SimpleNamespace

import pytest
import torch

from frod_bench.errors import RequestError, RunFailure
from frod_bench.train.batches import plan_epoch


def weights(trainer):
    return {name: value.clone() for name, value in trainer.adapted.trainable_state().items()}


def catch_gradients(trainer, monkeypatch):
    """Record the gradients that each optimizer step is given."""
    caught = []
    take = trainer.optimizer.step

    def step():
        caught.append([p.grad.clone() for group in trainer.optimizer.param_groups for p in group["params"]])
        take()

    monkeypatch.setattr(trainer.optimizer, "step", step)
    return caught


@pytest.mark.parametrize("method", ["frod", "lora", "full_ft"])
@pytest.mark.parametrize("max_grad_norm", [None, 0.05])
def test_accumulation_gives_the_same_steps(make_trainer, make_data, silent, monkeypatch, method, max_grad_norm):
    losses, gradients, ends = [], [], []
    for parts in (1, 3):  # 8 rows in parts of 3, 3 and 2
        trainer = make_trainer(
            method,
            make_data(train=22),
            batch_size=8,
            gradient_accumulation_steps=parts,
            max_grad_norm=max_grad_norm,
        )
        for module in trainer.model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        gradients.append(catch_gradients(trainer, monkeypatch))
        losses.append(trainer.train_epoch(0, silent).loss)
        ends.append(weights(trainer))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert len(gradients[0]) == len(gradients[1]) == 3
    for whole, cut in zip(gradients[0][0], gradients[1][0], strict=True):
        torch.testing.assert_close(whole, cut, rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(ends[0], ends[1], rtol=1e-2, atol=1e-4)


def test_the_loss_is_the_mean_over_rows(make_trainer, make_data, silent):
    data = make_data(train=11)
    trainer = make_trainer(
        data=data, batch_size=4, gradient_accumulation_steps=3, lr={"backbone": 0.0, "head": 0.0}, weight_decay=0.0
    )
    with torch.no_grad():
        each = [trainer.model(**data.collate([row])).loss.item() for row in data.train]
    trained = trainer.train_epoch(0, silent)
    assert trained.loss == pytest.approx(math.fsum(each) / 11, rel=1e-6)
    assert trained.samples == 11
    assert trained.lr == {"backbone": 0.0, "head": 0.0}


def test_a_methods_own_term_is_trained_on_and_not_reported(make_trainer, silent, monkeypatch):
    def gradients_and_loss(weight):
        trainer = make_trainer("full_ft", batch_size=64)
        own = trainer.adapted.roles["head"][1]  # the bias of the head
        monkeypatch.setattr(trainer.adapted, "auxiliary_loss", lambda *_: weight * own.sum())
        caught = catch_gradients(trainer, monkeypatch)
        loss = trainer.train_epoch(0, silent).loss
        places = [p.data_ptr() for group in trainer.optimizer.param_groups for p in group["params"]]
        return caught[0][places.index(own.data_ptr())], loss

    (plain, loss), (pushed, same) = gradients_and_loss(0.0), gradients_and_loss(0.5)
    torch.testing.assert_close(pushed, plain + 0.5)
    assert loss == pytest.approx(same)


def test_training_learns(make_trainer, silent):
    trainer = make_trainer(epochs=8)
    losses = [trainer.train_epoch(epoch, silent).loss for epoch in range(8)]
    assert losses[-1] < 0.2 * losses[0]
    assert trainer.evaluate()["accuracy"] > 0.8


def test_only_what_the_method_declares_is_changed(make_trainer, silent):
    trainer = make_trainer("frod")
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    trainer.train_epoch(0, silent)
    changed = {name for name, value in trainer.model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == set(trainer.adapted.trainable_state())


def test_clipping_bounds_the_gradient(make_trainer, silent, monkeypatch):
    norms = {}
    for max_grad_norm in (None, 0.01):
        trainer = make_trainer(max_grad_norm=max_grad_norm)
        steps = catch_gradients(trainer, monkeypatch)
        trainer.train_epoch(0, silent)
        norms[max_grad_norm] = max(torch.cat([g.flatten() for g in step]).norm().item() for step in steps)
    assert norms[None] > 0.1
    assert norms[0.01] == pytest.approx(0.01, rel=1e-3)


def test_a_loss_that_is_not_finite_names_its_step(make_trainer, make_data, silent):
    data = make_data(train=40)
    trainer = make_trainer(data=data, batch_size=4)
    plan = plan_epoch(trainer.lengths, 4, 1, trainer.seed, 1, group_by_length=False)
    steps_with = {
        word: [
            number
            for number, (rows,) in enumerate(plan, start=1)
            if any(word in data.train[r]["input_ids"] for r in rows)
        ]
        for word in range(3, 20)
    }
    first, word = max((steps[0], word) for word, steps in steps_with.items())
    assert first > 1
    with torch.no_grad():
        trainer.adapted.model.words.weight[word] = math.nan
    with pytest.raises(RunFailure, match=rf"became nan at step {10 + first} \(epoch 2\).*train\.lr"):
        trainer.train_epoch(1, silent)


def test_outputs_that_are_not_finite_in_evaluation_fail_the_run(make_trainer):
    trainer = make_trainer()
    with torch.no_grad():
        trainer.adapted.model.classifier.bias[0] = math.inf
    with pytest.raises(RunFailure, match="not finite"):
        trainer.evaluate()


@pytest.mark.parametrize("eval_batch_size", [1, 3, 64])
def test_evaluation_keeps_the_order_of_the_rows(make_trainer, make_data, eval_batch_size):
    seen = []

    def measure(split, predictions, references):
        seen.append((split, predictions, references))
        return {"accuracy": 0.0}

    data = make_data(measure=measure, holdout=5)
    trainer = make_trainer(data=data, eval_batch_size=eval_batch_size)
    metrics = trainer.evaluate()
    (split, predictions, references), (_, _, held) = seen
    with torch.no_grad():
        rows = data.evaluation["validation"]
        alone = [trainer.model(**data.collate([row])).logits.argmax(-1).item() for row in rows]
    assert split == "validation"
    assert predictions == alone
    assert len(set(predictions)) == 2
    assert references == list(rows["labels"])
    assert held == list(data.holdout["labels"])
    assert metrics == {"accuracy": 0.0, "holdout_accuracy": 0.0}


def test_evaluation_is_without_dropout_and_leaves_the_random_state_of_training(make_trainer, silent):
    trainer = make_trainer(dropout=0.5)
    assert trainer.evaluate() == trainer.evaluate()
    assert not trainer.model.training
    trainer.train_epoch(0, silent)
    assert trainer.model.training


@pytest.mark.parametrize("method", ["frod", "lora", "full_ft"])
def test_mixed_precision_keeps_the_weights_in_float32(make_trainer, silent, method):
    exact, mixed = make_trainer(method), make_trainer(method, precision="bf16")
    losses = [trainer.train_epoch(0, silent).loss for trainer in (exact, mixed)]
    assert all(value.dtype == torch.float32 for value in weights(mixed).values())
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=0.05)


def test_the_loss_of_a_language_model_is_a_mean_over_tokens(make_trainer, make_data, silent, monkeypatch):
    """Rows of 1, 2, 3 … predicted tokens: accumulation must weigh its parts by them, as one batch does."""

    def with_tokens(collate):
        def tokens(rows):
            batch = collate(rows)
            return batch | {"labels": torch.where(batch["attention_mask"] == 1, batch["input_ids"], -100)}

        return tokens

    def forward(self, input_ids, attention_mask, labels):
        x = self.words(input_ids)
        for layer in self.layers:
            x = x + torch.tanh(layer.query(x))
        logits = self.classifier(x)[:, :-1]
        targets = torch.where(labels == -100, -100, labels % 2)[:, 1:]
        return SimpleNamespace(loss=torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten()))

    losses = []
    for parts in (1, 4):
        data = make_data(train=8)
        data.collate, data.num_labels = with_tokens(data.collate), None
        trainer = make_trainer(data=data, batch_size=8, gradient_accumulation_steps=parts)
        monkeypatch.setattr(type(trainer.adapted.model), "forward", forward)
        losses.append([trainer.train_epoch(epoch, silent).loss for epoch in range(2)])
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["no", "bf16", "fp16"])
def test_training_learns_on_a_gpu(make_trainer, silent, precision):
    trainer = make_trainer("frod", device="cuda", precision=precision, epochs=6)
    losses = [trainer.train_epoch(epoch, silent).loss for epoch in range(6)]
    assert losses[-1] < losses[0]
    assert {p.device.type for p in trainer.model.parameters()} == {"cuda"}


def test_what_trains_is_float32_and_frozen_half_precision_wants_autocast(make_trainer):
    assert {p.dtype for p in make_trainer("full_ft", dtype=torch.bfloat16).model.parameters()} == {torch.float32}
    with pytest.raises(RequestError, match=r"torch.bfloat16 and train.precision=no"):
        make_trainer("lora", dtype=torch.bfloat16)
