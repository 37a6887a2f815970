"""What every method keeps to, checked on each of them."""

import copy
import json

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from frod_bench.errors import RequestError
from frod_bench.methods import attach, load_adapter, make_method, method_names
from frod_bench.methods.checkpoint import read_checkpoint_config, write_checkpoint
from frod_bench.methods.injection import find_targets

ADAPTERS = [name for name in method_names() if name != "full_ft"]
every_method = pytest.mark.parametrize("method", method_names())
every_adapter = pytest.mark.parametrize("method", ADAPTERS)
every_merging_method = pytest.mark.parametrize("method", [name for name in method_names() if make_method(name).merges])
HALF = 0.05  # what bf16 may add where a method starts from the base to rounding only


def assert_starts_from(actual, expected, method, rounding=0.0):
    """Compare with the base: bit for bit, or within the error that the method states."""
    allowed = make_method(method).start_error
    if allowed == 0:
        assert torch.equal(actual, expected)
    else:
        error = (actual.float() - expected.float()).norm() / expected.float().norm()
        assert error <= allowed + rounding


@pytest.fixture
def attached(make_model, targets, head):
    """Return a function that attaches a method to a fresh model."""
    return lambda method, model=None, **kwargs: attach(
        make_model() if model is None else model, method, targets=targets, head=head, **kwargs
    )


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
def test_a_saved_adapter_gives_the_same_model_on_a_fresh_copy(method, attached, train, logits, make_model, tmp_path):
    adapted = attached(method, seed=5)
    train(adapted.model)
    adapted.save(tmp_path / "a")
    fresh = make_model()
    loaded = load_adapter(fresh, tmp_path / "a")
    assert torch.equal(logits(fresh), logits(adapted.model))
    assert loaded.count() == adapted.count() and loaded.seed == 5
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == ["adapter_config.json", "adapter_model.safetensors"]


@every_method
def test_a_file_holds_the_trainable_values_and_little_more(method, attached, tmp_path):
    adapted = attached(method, **({"sparsity": 1.0} if method == "frod" else {}))
    tensors = load_file(adapted.save(tmp_path) / "adapter_model.safetensors")
    trainable = adapted.trainable_state()
    assert all(torch.equal(tensors[name], value) for name, value in trainable.items())
    extra = sum(t.numel() for name, t in tensors.items() if name not in trainable)
    assert extra <= 0.05 * sum(adapted.count().values())


@every_method
def test_options_survive_a_file(method, make_model, targets, head, tmp_path):
    changed = make_method(method, head="frozen")
    changed.attach(make_model(), targets, head, seed=0).save(tmp_path)
    assert load_adapter(make_model(), tmp_path).method == changed != make_method(method)


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
def test_attaching_leaves_the_random_state_alone(method, attached):
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    attached(method, seed=9)
    assert torch.equal(torch.rand(1), expected)


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


@every_method
def test_statistics_are_saved_in_the_head_and_in_the_body(method, tmp_path):
    def make():
        torch.manual_seed(0)
        head = nn.Sequential(nn.BatchNorm1d(16), nn.Linear(16, 3))
        return nn.Sequential(nn.BatchNorm1d(8), nn.Linear(8, 16), head)

    adapted = attach(make(), method, targets=["1"], head=["2"])
    for _ in range(5):
        adapted.model.train()(3 + torch.randn(20, 8))
    adapted.save(tmp_path)
    x = torch.randn(4, 8)
    assert torch.equal(load_adapter(make(), tmp_path).model.eval()(x), adapted.model.eval()(x))


@every_adapter
def test_a_name_in_the_head_that_ends_like_a_targets(method):
    head = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 3))
    adapted = attach(nn.Sequential(nn.Linear(8, 8), nn.ReLU(), head), method, targets=["0"], head=["2"])
    assert [type(layer) for layer in adapted.model[2]] == [nn.Linear, nn.Linear]
    assert type(adapted.model[0]) is not nn.Linear


def test_an_adapter_of_a_version_without_sketches_is_said_to_be_one(attached, make_model, tmp_path):
    adapted = attached("lora")
    adapted.save(tmp_path)
    write_checkpoint(tmp_path, adapted.trainable_state(), read_checkpoint_config(tmp_path))
    with pytest.raises(RequestError, match="carries no sketch of its base weights, as an older version"):
        load_adapter(make_model(), tmp_path)


@every_adapter
def test_an_adapter_for_other_weights_is_refused(method, attached, make_model, tmp_path):
    attached(method).save(tmp_path)
    other = make_model()
    other.bert.encoder.layer[0].attention.self.query.weight.data[0] *= 1.5
    with pytest.raises(RequestError, match=r"other base weights.*query"):
        load_adapter(other, tmp_path)


@pytest.mark.parametrize("method", ["lora", "dora", "vera", "randlora"])
def test_an_adapter_fits_the_base_in_another_precision(method, attached, make_model, tmp_path):
    attached(method, make_model().to(torch.bfloat16)).save(tmp_path)
    load_adapter(make_model(), tmp_path)


@every_method
def test_values_that_do_not_fit_change_nothing(method, attached):
    adapted = attached(method)
    before = {name: tensor.clone() for name, tensor in adapted.trainable_state().items()}
    state = {name: tensor + 1 for name, tensor in before.items()}
    last = list(state)[-1]
    state[last] = state[last][None]
    with pytest.raises(RequestError, match="does not fit"):
        adapted.load_state(state)
    assert all(torch.equal(tensor, before[name]) for name, tensor in adapted.trainable_state().items())


@every_adapter
def test_a_target_inside_the_head_is_trained_and_not_adapted(method, make_model, batch):
    model = make_model()
    model.classifier = nn.Sequential()
    model.classifier.add_module("dense", nn.Linear(32, 2))
    adapted = attach(model, method, targets=["dense"], head=["classifier"])
    assert type(model.classifier.dense) is nn.Linear
    assert type(model.bert.pooler.dense) is not nn.Linear
    assert [id(p) for p in adapted.roles["head"]] == [id(p) for p in model.classifier.parameters()]


@every_adapter
def test_without_a_head_only_the_adapter_trains(method, make_model, targets):
    adapted = attach(make_model(), method, targets=targets)
    assert adapted.count()["head"] == 0
    assert not any(p.requires_grad for p in adapted.model.classifier.parameters())


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
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"targets": ["qeury"]}, ["qeury", "query"]),
        ({"targets": []}, ["targets"]),
        ({"targets": ["LayerNorm"]}, ["LayerNorm", "nn.Linear"]),
        ({"head": ["clasifier"]}, ["clasifier", "classifier"]),
        ({"no_such_option": 1}, ["no_such_option"]),
    ],
)
def test_what_cannot_be_attached_is_named_and_changes_nothing(method, change, words, make_model, targets, head):
    model = make_model()
    with pytest.raises(RequestError) as raised:
        attach(model, method, **({"targets": targets, "head": head} | change))
    assert all(word in str(raised.value) for word in words)
    assert {type(m) for m in model.modules()} == {type(m) for m in make_model().modules()}
    assert all(p.requires_grad for p in model.parameters())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"targets": "query"}, r"targets='query'.*\['query'\]"),
        ({"head": "classifier"}, r"head='classifier'.*list"),
        ({"seed": -1}, r"seed=-1.*0 or more"),
        ({"seed": 0.5}, r"seed=0\.5"),
    ],
)
def test_arguments_of_another_kind_are_named(change, words, make_model, targets, head):
    with pytest.raises(RequestError, match=words):
        attach(make_model(), "frod", **({"targets": targets, "head": head} | change))


@every_adapter
def test_a_merged_or_detached_adapter_takes_no_part_any_more(method, attached, logits, tmp_path):
    adapted = attached(method)
    model = adapted.merge() if adapted.method.merges else adapted.detach()
    before = logits(model)
    for ask in (lambda: adapted.save(tmp_path), adapted.diagnostics, adapted.merge, adapted.detach):
        with pytest.raises(RequestError, match="merged or detached"):
            ask()
    assert not list(tmp_path.iterdir()) and torch.equal(logits(model), before)


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


@every_method
def test_an_adapter_that_is_frozen_for_a_while_is_saved_whole(method, attached, train, logits, make_model, tmp_path):
    adapted = attached(method)
    train(adapted.model)
    adapted.model.requires_grad_(False)
    expected = logits(adapted.model)
    adapted.save(tmp_path)
    assert torch.equal(logits(load_adapter(make_model(), tmp_path).model), expected)


@every_method
def test_a_file_that_does_not_fit_is_refused(method, attached, make_model, targets, head, tmp_path):
    attached(method).save(tmp_path)
    with pytest.raises(RequestError, match=r"does not fit|other base weights"):
        load_adapter(make_model(layers=3), tmp_path)
    (tmp_path / "adapter_model.safetensors").unlink()
    with pytest.raises(RequestError, match="adapter_model"):
        load_adapter(make_model(), tmp_path)


@every_method
def test_an_unknown_format_is_refused(method, attached, tmp_path):
    with pytest.raises(RequestError, match=r"pickle.*frod-bench, peft"):
        attached(method).save(tmp_path, format="pickle")


def test_a_directory_without_an_adapter_is_refused(make_model, tmp_path):
    with pytest.raises(RequestError, match="adapter_config"):
        load_adapter(make_model(), tmp_path)
    own = {"method": "frod", "options": {}, "targets": ["query"], "head": [], "seed": 0}
    for config in ({"model_type": "bert"}, [1], own | {"options": [1]}, own | {"targets": None}):
        (tmp_path / "adapter_config.json").write_text(json.dumps(config))
        with pytest.raises(RequestError, match="describes no adapter"):
            load_adapter(make_model(), tmp_path)


def test_methods_are_found_by_their_files():
    paper = {"full_ft", "lora", "pissa", "milora", "goat", "vera", "randlora", "dora", "frod"}
    assert set(method_names()) >= paper | {"fura", "qfura", "qlora"}
    for name in method_names():
        assert make_method(name).name == name
    with pytest.raises(RequestError, match=r"'lorra'.*lora"):
        make_method("lorra")


@pytest.mark.parametrize(
    ("method", "option", "value"),
    [
        ("frod", "sparsity", -0.1),
        ("frod", "sparsity", 1.5),
        ("frod", "sparsity", float("nan")),
        ("frod", "sparsity", "dense"),
        ("frod", "sparsity", None),
        ("frod", "sparsity", True),
        ("frod", "basis", "categroy"),
        ("frod", "basis", 3),
        ("frod", "pi", 0),
        ("frod", "pi", float("inf")),
        ("frod", "way", "fastest"),
        ("lora", "rank", 0),
        ("lora", "rank", 8.5),
        ("lora", "rank", "8"),
        ("lora", "alpha", 0),
        ("lora", "dropout", 1.0),
        ("lora", "head", "froze"),
        ("lora", "head", 3),
        ("full_ft", "head", "none"),
        ("pissa", "rank", 0),
        ("pissa", "iterations", -1),
        ("vera", "rank", 0),
        ("vera", "d_initial", 0),
        ("randlora", "bases", "spares"),
        ("randlora", "alpha", -1.0),
        ("goat", "rank", 12),
        ("goat", "experts", 0),
        ("goat", "top_k", 9),
        ("goat", "rho", 0),
        ("goat", "balance", -1.0),
        ("goat", "scaling", "theroy"),
        ("fura", "bias", 1),
    ],
)
def test_an_option_out_of_range_is_named(method, option, value):
    with pytest.raises(RequestError, match=f"method.{option}={value!r}".replace("'", "'?")):
        make_method(method, **{option: value})
    assert make_method("frod", sparsity=1, pi=1).sparsity == 1
