"""What every method guarantees, checked on each of them."""

import copy

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from frod_bench.errors import RequestError
from frod_bench.methods import attach, load_adapter, make_method, method_names
from frod_bench.methods.support.injection import find_targets

ADAPTERS = [name for name in method_names() if name != "full_ft"]
every_method = pytest.mark.parametrize("method", method_names())
every_adapter = pytest.mark.parametrize("method", ADAPTERS)
every_merging_method = pytest.mark.parametrize("method", [name for name in method_names() if make_method(name).merges])
HALF = 0.05  # what bf16 may add where a method starts from the base to rounding only
DEPTH = 5  # errors of 12 layers, each its own, add as squares to 3.5 times that of one; the softmax amplifies them


def assert_starts_from(actual, expected, method, rounding=0.0, depth=DEPTH):
    """Compare with the base: bit for bit, or within the error that the method states for each of its layers."""
    allowed = make_method(method).start_error
    if allowed == 0:
        assert torch.equal(actual, expected)
    else:
        error = (actual.float() - expected.float()).norm() / expected.float().norm()
        assert error <= depth * allowed + rounding


@every_adapter
@pytest.mark.parametrize("shape", [(64, 32), (32, 64), (80, 96), (128, 128), (33, 21)])  # rows of whole blocks and not
def test_a_layer_starts_as_its_base(method, shape):
    torch.manual_seed(0)
    base = nn.Linear(*shape[::-1])
    base.weight.data.normal_()
    x = torch.randn(500, shape[1])
    expected = base(x).detach()
    model = nn.Sequential(base)
    attach(model, method, targets=["0"])
    for adapted in (model.eval(), model.train()):
        assert_starts_from(adapted(x).detach(), expected, method, depth=1)


@every_method
def test_starts_as_the_base_model(method, attached, make_model, logits):
    base, model = make_model(), attached(method).model
    assert_starts_from(logits(model), logits(base), method)
    with torch.autocast("cpu", torch.bfloat16):
        assert_starts_from(logits(model), logits(base), method, HALF)
    assert_starts_from(logits(model.to(torch.bfloat16)), logits(base.to(torch.bfloat16)), method, HALF)


@every_method
def test_starts_as_a_half_precision_base_model(method, attached, make_model, logits, train):
    base = make_model().to(torch.bfloat16)
    adapted = attached(method, make_model().to(torch.bfloat16))
    start = logits(adapted.model)
    assert_starts_from(start, logits(base), method, HALF)
    train(adapted.model)
    assert torch.isfinite(logits(adapted.model)).all()
    assert not torch.equal(logits(adapted.model), start)


@every_method
def test_every_trainable_parameter_has_one_role_and_learns(method, attached, batch):
    adapted = attached(method)
    assert tuple(adapted.roles) == make_method(method).roles
    listed = [p for parameters in adapted.roles.values() for p in parameters]
    trainable = [p for p in adapted.model.parameters() if p.requires_grad]
    assert len({id(p) for p in listed}) == len(listed) and {id(p) for p in listed} == {id(p) for p in trainable}
    assert {id(p) for p in adapted.roles["head"]} == {id(p) for p in adapted.model.classifier.parameters()}
    adapted.model.train()
    optimizer = torch.optim.SGD(listed, lr=0.1)
    for _ in range(2):  # the factor in front of a zero one has no gradient in the first step
        optimizer.zero_grad()
        adapted.model(**batch).loss.backward()
        optimizer.step()
    for name, parameter in adapted.model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
            unseen = "position_embeddings" in name or "key.bias" in name  # the softmax is blind to a key's bias
            assert unseen or parameter.grad.abs().sum() > 0, name
        else:
            assert parameter.grad is None, name


@every_adapter
def test_frozen_parameters_stay(method, attached, train):
    adapted = attached(method)
    frozen = {name: p.clone() for name, p in adapted.model.named_parameters() if not p.requires_grad}
    train(adapted.model)
    now = dict(adapted.model.named_parameters())
    assert frozen and all(torch.equal(value, now[name]) for name, value in frozen.items())


@every_method
def test_the_count_follows_from_the_shapes(method, attached, make_model, targets, head):
    adapted = attached(method)
    shapes = [tuple(layer.weight.shape) for _, layer in find_targets(make_model(), targets, head)]
    counts = adapted.count()
    assert counts.pop("head") == 2 * 32 + 2
    formula = make_method(method).trainable_parameters(shapes)
    if method == "full_ft":  # the formula counts the target layers alone, training has all of the backbone
        assert formula == sum(m * n for m, n in shapes)
        assert sum(counts.values()) == sum(p.numel() for p in make_model().bert.parameters())
    else:
        assert sum(counts.values()) == formula > 0


@every_merging_method
def test_merging_keeps_the_function(method, attached, train, logits, make_model):
    adapted = attached(method)
    train(adapted.model)
    expected = logits(adapted.model)
    model = adapted.merge()
    torch.testing.assert_close(logits(model), expected, rtol=1e-5, atol=1e-5)
    plain = make_model()
    assert {n: type(m) for n, m in model.named_modules()} == {n: type(m) for n, m in plain.named_modules()}
    plain.load_state_dict(model.state_dict())
    assert torch.equal(logits(plain), logits(model))


@every_adapter
def test_detaching_restores_the_base_bit_for_bit(method, attached, train, make_model):
    adapted = attached(method)
    train(adapted.model)
    state = adapted.detach().state_dict()
    base = make_model().state_dict()
    assert state.keys() == base.keys()
    for name, value in base.items():
        assert torch.equal(state[name], value) != name.startswith("classifier."), name


def test_full_fine_tuning_has_nothing_to_detach(attached):
    with pytest.raises(RequestError, match="build the model again"):
        attached("full_ft").detach()


@every_method
def test_a_frozen_head_stays_as_it_is(method, make_model, targets, head, train, logits, tmp_path):
    adapted = make_method(method, head="frozen").attach(make_model(), targets, head, seed=0)
    assert adapted.count()["head"] == 0 and sum(adapted.count().values()) > 0
    train(adapted.model)
    start = make_model().classifier.state_dict()
    assert all(torch.equal(value, start[name]) for name, value in adapted.model.classifier.state_dict().items())
    adapted.save(tmp_path)
    assert not any("classifier" in name for name in load_file(tmp_path / "adapter_model.safetensors"))
    fresh = make_model()
    load_adapter(fresh, tmp_path)
    assert torch.equal(logits(fresh), logits(adapted.model))


@every_method
def test_the_seed_decides(method, attached, train):
    def state(seed):
        adapted = attached(method, seed=seed)
        train(adapted.model)
        return adapted.trainable_state()

    first, second, other = state(0), state(0), state(1)
    assert all(torch.equal(first[name], second[name]) for name in first)
    same = all(torch.equal(first[name], other[name]) for name in first)
    assert same != make_method(method).draws


@every_method
def test_switching_between_training_and_evaluation_shows_every_step(method, attached, train, logits):
    adapted = attached(method)
    seen = [logits(adapted.model)]
    for _ in range(3):
        train(adapted.model, steps=1)
        seen.append(logits(adapted.model))
        assert (seen[-1] - seen[-2]).abs().max() > 1e-4
    again = copy.deepcopy(adapted).model
    torch.testing.assert_close(logits(again), seen[-1], rtol=1e-5, atol=1e-5)


@every_method
def test_several_forward_passes_before_one_backward(method, attached, batch):
    def gradients(at_once):
        model = attached(method).model.train()
        halves = [{k: v[i : i + 2] for k, v in batch.items()} for i in (0, 2)]
        if at_once:
            sum(model(**half).loss for half in halves).backward()
        else:
            for half in halves:
                model(**half).loss.backward()
        return {name: p.grad for name, p in model.named_parameters() if p.requires_grad}

    together, apart = gradients(True), gradients(False)
    for name, gradient in together.items():
        torch.testing.assert_close(gradient, apart[name], rtol=1e-4, atol=1e-6)


@every_method
def test_gradient_checkpointing_changes_no_gradient(method, attached, batch):
    def gradients(checkpointing):
        model = attached(method).model.train()
        if checkpointing:
            model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        model(**batch).loss.backward()
        return {name: p.grad for name, p in model.named_parameters() if p.requires_grad}

    plain, checkpointed = gradients(False), gradients(True)
    for name, gradient in plain.items():
        torch.testing.assert_close(checkpointed[name], gradient, rtol=1e-5, atol=1e-7)


@every_method
def test_a_copy_is_the_same_function_and_independent(method, attached, train, logits):
    model = attached(method).model
    train(model)
    expected = logits(model)
    clone = copy.deepcopy(model)
    assert torch.equal(logits(clone), expected)
    train(clone)
    assert torch.equal(logits(model), expected) and not torch.equal(logits(clone), expected)


@every_method
def test_casting_an_adapted_model(method, attached, train, logits):
    model = attached(method).model
    train(model)
    expected = logits(model)
    assert (logits(model.to(torch.bfloat16)).float() - expected).abs().max() < 0.1 * expected.abs().max() + 0.1
    train(model)
    assert torch.isfinite(logits(model)).all()


@every_adapter
def test_a_cast_is_one_of_the_base_layers_too(method, attached, logits, make_model):
    adapted = attached(method)
    adapted.model.to(torch.bfloat16)
    model = adapted.detach()
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}
    assert torch.equal(logits(model), logits(make_model().to(torch.bfloat16)))


@every_adapter
def test_no_tokens_give_no_output_and_no_loss(method):
    adapted = attach(nn.Sequential(nn.Linear(8, 16), nn.Linear(16, 3)), method, targets=["0"], head=["1"])
    output = adapted.model.train()(torch.zeros(2, 0, 8))
    assert output.shape == (2, 0, 3) and torch.isfinite(output.sum() + adapted.auxiliary_loss())


@every_adapter
def test_any_module_will_do(method):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 3))
    x = torch.randn(2, 8)
    expected = model(x)
    adapted = attach(model, method, targets=["0", "2"], head=["4"])
    assert_starts_from(model.eval()(x), expected, method)
    model.train()(x).sum().backward()
    assert sum(adapted.count().values()) > 3 * 8 + 3


@every_adapter
def test_a_second_adapter_is_refused_until_the_first_is_gone(method, attached, logits, targets, head):
    adapted = attached(method)
    for other in (method, "full_ft", "lora"):
        for chosen in (targets, ["pooler.dense"]):
            with pytest.raises(RequestError, match="has an adapter already"):
                attach(adapted.model, other, targets=chosen, head=head)
    model = adapted.merge() if adapted.method.merges else adapted.detach()
    expected = logits(model)
    assert_starts_from(logits(attached(method, model).model), expected, method)


def logits_on_a_gpu(model, batch):
    model.eval()
    with torch.no_grad():
        return model(input_ids=batch["input_ids"].cuda()).logits.cpu()


@pytest.mark.gpu
@every_method
def test_on_a_gpu_it_starts_as_the_base_model_and_learns(method, attached, make_model, batch):
    base = logits_on_a_gpu(make_model().cuda(), batch)
    adapted = attached(method, make_model().cuda())
    assert {p.device.type for p in adapted.model.parameters()} == {"cuda"}
    assert_starts_from(logits_on_a_gpu(adapted.model, batch), base, method)
    there = {name: tensor.cuda() for name, tensor in batch.items()}
    optimizer = torch.optim.AdamW([p for p in adapted.model.parameters() if p.requires_grad], lr=1e-2)
    losses = []
    for _ in range(5):
        adapted.model.train()
        optimizer.zero_grad()
        loss = adapted.model(**there).loss + adapted.auxiliary_loss()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


@pytest.mark.gpu
@every_method
def test_a_trained_model_that_moves_to_a_gpu_is_the_same_function(method, attached, train, logits, batch):
    adapted = attached(method)
    train(adapted.model)
    wanted = logits(adapted.model)
    adapted.model.cuda()
    torch.testing.assert_close(logits_on_a_gpu(adapted.model, batch), wanted, rtol=1e-3, atol=1e-3)
    if adapted.method.merges:
        plain = adapted.merge()
        torch.testing.assert_close(logits_on_a_gpu(plain, batch), wanted, rtol=HALF, atol=HALF)
        assert {p.device.type for p in plain.parameters()} == {"cuda"}


@pytest.mark.gpu
@every_adapter
def test_detaching_on_a_gpu_gives_the_base_back(method, attached, make_model, batch):
    base = logits_on_a_gpu(make_model().cuda(), batch)
    adapted = attached(method, make_model().cuda())
    plain = adapted.detach()
    assert {p.device.type for p in plain.parameters()} == {"cuda"}
    assert torch.equal(logits_on_a_gpu(plain, batch), base)
