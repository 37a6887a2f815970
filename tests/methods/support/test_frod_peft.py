"""FRoD checkpoints are exchanged with PEFT or refused; they are never wrong in silence."""

import json

import pytest
import torch
from peft import FrodConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from torch import nn
from transformers.pytorch_utils import Conv1D

from frod_bench.errors import RequestError
from frod_bench.methods import attach, load_adapter
from frod_bench.methods.frod import frod_layers

FILE = "adapter_model.safetensors"
SEPARATED = ["query", "value"]  # two layers of 32 rows over 32 inputs: no two eigenvalues are nearly equal


@pytest.fixture
def ours(make_model, targets, head, train):
    """Return a function that attaches FRoD and trains it."""

    def build(targets=targets, **options):
        adapted = attach(make_model(), "frod", targets=targets, head=head, **({"sparsity": 0.1} | options))
        train(adapted.model)
        return adapted

    return build


@pytest.fixture
def theirs(make_model, targets, head, train, tmp_path):
    """Return PEFT's model after training, saved in tmp_path."""
    config = FrodConfig(
        target_modules=targets, modules_to_save=head, sparse_rate=0.1, projection_prng_key=4, progressbar=False
    )
    model = get_peft_model(make_model(), config)
    train(model)
    model.save_pretrained(tmp_path)
    return model


def edit(directory, change):
    tensors = load_file(directory / FILE)
    change(tensors)
    save_file(tensors, directory / FILE, metadata={"format": "pt"})


def configure(directory, **values):
    file = directory / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def close(a, b):
    torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("sparsity", [0.0, 0.0003, 0.1, 1.0])
def test_peft_loads_what_was_trained_in_its_basis(sparsity, ours, make_model, logits, tmp_path):
    adapted = ours(basis="peft", sparsity=sparsity)
    model = PeftModel.from_pretrained(make_model(), adapted.save(tmp_path, format="peft"))
    close(logits(model), logits(adapted.model))
    assert (logits(model) - logits(make_model())).abs().max() > 0.1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["adapter_config.json", FILE]


def test_peft_loads_what_was_trained_in_ours_where_only_signs_differ(ours, make_model, logits, tmp_path):
    adapted = ours(SEPARATED)
    model = PeftModel.from_pretrained(make_model(), adapted.save(tmp_path, format="peft"))
    error, moved = (logits(model) - logits(adapted.model)).norm(), (logits(make_model()) - logits(adapted.model)).norm()
    assert error < 0.01 * moved
    flipped = 0
    for name, layer in frod_layers(adapted.model):
        V = model.get_submodule(f"base_model.model.{name}").frod_V["default"]
        flipped += int(((V * layer.basis.Vt.T).sum(dim=0) < 0).sum())
    assert flipped > 0


def test_layers_that_keep_their_transpose_go_to_peft_and_come_back(tmp_path):
    def build():
        torch.manual_seed(0)
        layers = [Conv1D(12, 8), nn.Linear(12, 8), Conv1D(12, 8), nn.Linear(12, 8)]
        for layer in layers:
            nn.init.normal_(layer.weight, std=0.3)
        return nn.Sequential(*layers).requires_grad_(False)

    x = torch.randn(5, 8)
    adapted = attach(build(), "frod", targets=["0", "1", "2", "3"], basis="peft", sparsity=0.1)
    with torch.no_grad():
        for _, layer in frod_layers(adapted.model):
            layer.sigma *= 1.1
            layer.values += 0.02
    expected = adapted.model.eval()(x)
    assert (expected - build()(x)).abs().max() > 1e-2
    adapted.save(tmp_path, format="peft")
    close(load_adapter(build(), tmp_path).model.eval()(x), expected)
    close(PeftModel.from_pretrained(build(), tmp_path)(x), expected)


def test_an_untrained_adapter_is_the_base_model(make_model, targets, head, logits, tmp_path):
    adapted = attach(make_model(), "frod", targets=targets, head=head)
    model = PeftModel.from_pretrained(make_model(), adapted.save(tmp_path, format="peft"))
    close(logits(model), logits(make_model()))


def test_a_basis_that_peft_does_not_have_is_refused(ours, tmp_path):
    with pytest.raises(RequestError, match=r"(?s)method\.basis=peft.*--format merged"):
        ours(basis="global").save(tmp_path, format="peft")
    assert not (tmp_path / FILE).exists()


def test_eigenvalues_that_nearly_coincide_are_refused(make_model, head, train, tmp_path):
    model = make_model()
    for layer in model.bert.encoder.layer:  # orthogonal weights: every eigenvalue of T is the same
        nn.init.orthogonal_(layer.attention.self.query.weight)
    adapted = attach(model, "frod", targets=["query"], head=head, sparsity=0.1)
    train(model)
    with pytest.raises(RequestError, match=r"PEFT's basis of .*query"):
        adapted.save(tmp_path, format="peft")


@pytest.mark.parametrize("trained", [False, True])
def test_half_precision_is_refused(trained, make_model, targets, head, train, tmp_path):
    model = make_model().to(torch.bfloat16)
    adapted = attach(model, "frod", targets=targets, head=head, basis="peft")
    if trained:
        train(model)
    with pytest.raises(RequestError, match="float32"):
        adapted.save(tmp_path, format="peft")


def test_two_patterns_in_one_category_of_peft_are_refused(train, tmp_path):
    torch.manual_seed(0)
    sides = nn.ModuleDict({side: nn.ModuleDict({"attn": nn.ModuleDict({"q": nn.Linear(6, 6)})}) for side in "ab"})
    sides["b"].load_state_dict(sides["a"].state_dict())  # the same basis, but a pattern for each side
    adapted = attach(sides, "frod", targets=["q"], sparsity=0.3)
    with torch.no_grad():
        for _, layer in frod_layers(sides):
            layer.values += 0.5
    with pytest.raises(RequestError, match=r"a\.attn\.q"):
        adapted.save(tmp_path, format="peft")


def test_the_model_is_left_as_it_was(ours, logits, tmp_path):
    adapted = ours(basis="peft")
    expected, state = logits(adapted.model), {n: v.clone() for n, v in adapted.trainable_state().items()}
    adapted.save(tmp_path, format="peft")
    assert torch.equal(logits(adapted.model), expected)
    assert all(torch.equal(value, state[name]) for name, value in adapted.trainable_state().items())
    assert adapted.count() == {role: sum(p.numel() for p in ps) for role, ps in adapted.roles.items()}


def test_a_checkpoint_of_peft_is_read(theirs, make_model, logits, tmp_path):
    adapted = load_adapter(make_model(), tmp_path)
    close(logits(adapted.model), logits(theirs))
    assert (adapted.method.basis, adapted.method.sparsity, adapted.seed) == ("peft", 0.1, 4)


def test_what_was_read_can_be_trained_and_saved_in_both_formats(theirs, make_model, logits, train, tmp_path):
    adapted = load_adapter(make_model(), tmp_path)
    train(adapted.model)
    expected = logits(adapted.model)
    own = load_adapter(make_model(), adapted.save(tmp_path / "own"))
    assert torch.equal(logits(own.model), expected)
    model = PeftModel.from_pretrained(make_model(), adapted.save(tmp_path / "peft", format="peft"))
    close(logits(model), expected)


def test_a_round_trip_through_peft_changes_nothing(ours, make_model, logits, tmp_path):
    adapted = ours(basis="peft")
    again = load_adapter(make_model(), adapted.save(tmp_path, format="peft"))
    close(logits(again.model), logits(adapted.model))
    assert again.method == adapted.method and again.seed == adapted.seed


def test_peft_computes_u_from_its_own_v_before_it_reads_the_saved_one(theirs, make_model, logits, tmp_path):
    def flip(tensors):
        for name, tensor in tensors.items():
            if "frod_V" in name:
                tensor[:, 0] *= -1

    edit(tmp_path, flip)  # a V that is as right as the first, and that another machine may compute
    model = PeftModel.from_pretrained(make_model(), tmp_path)
    assert (logits(model) - logits(theirs)).abs().max() > 1e-2
    with pytest.raises(RequestError, match="computes another basis"):
        load_adapter(make_model(), tmp_path)


def test_a_checkpoint_for_other_weights_is_refused(theirs, make_model, tmp_path):
    model = make_model()
    model.bert.encoder.layer[1].output.dense.weight.data *= 1.01
    with pytest.raises(RequestError, match=r"output\.dense"):
        load_adapter(model, tmp_path)


def test_what_a_configuration_leaves_out_is_pefts_default(theirs, make_model, logits, tmp_path):
    file = tmp_path / "adapter_config.json"
    config = json.loads(file.read_text())
    for name in ("frod_dropout", "regularization_alpha"):
        del config[name]
    file.write_text(json.dumps(config))
    close(logits(load_adapter(make_model(), tmp_path).model), logits(theirs))


def test_a_pattern_that_peft_would_not_draw_is_refused(ours, make_model, tmp_path):
    ours(SEPARATED).save(tmp_path, format="peft")
    with pytest.raises(RequestError, match="pattern"):
        load_adapter(make_model(), tmp_path)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"target_modules": ".*query"}, "target_modules"),
        ({"frod_dropout": 0.1}, "frod_dropout=0.1"),
        ({"peft_type": None}, "none"),
    ],
)
def test_a_configuration_that_we_have_not_is_refused(values, words, theirs, make_model, tmp_path):
    configure(tmp_path, **values)
    with pytest.raises(RequestError, match=words):
        load_adapter(make_model(), tmp_path)


@pytest.mark.parametrize(
    ("lost", "words"),
    [
        ("base_model.frod_V", "basis"),
        ("base_model.frod_s_indices", "pattern"),
        ("base_model.model.bert.encoder.layer.0.attention.self.query", "query"),
        ("base_model.model.classifier", "classifier"),
    ],
)
def test_a_checkpoint_that_lacks_something_is_refused(lost, words, theirs, make_model, tmp_path):
    def drop(tensors):
        for name in [name for name in tensors if name.startswith(lost)]:
            del tensors[name]

    edit(tmp_path, drop)
    with pytest.raises(RequestError, match=words):
        load_adapter(make_model(), tmp_path)


def test_a_file_that_is_gone_or_damaged_is_named(theirs, make_model, tmp_path):
    file = tmp_path / FILE
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(RequestError, match=FILE):
        load_adapter(make_model(), tmp_path)
    file.unlink()
    with pytest.raises(RequestError, match=FILE):
        load_adapter(make_model(), tmp_path)
