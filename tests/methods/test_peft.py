"""Every tuner of PEFT that method=peft accepts keeps the same contract, on the tiny model; the others are refused."""

import copy

import pytest
import torch
from peft import OFTConfig, PeftModel, ShiraConfig
from torch import nn

from frod_bench.errors import RequestError
from frod_bench.methods import attach, load_adapter, make_method
from frod_bench.methods.support.injection import find_targets
from frod_bench.methods.support.tuner_options import config_class, tuner_types

# settings that fit layers of 32 and 64
SETTINGS = {
    "C3A": {"block_size": 16},
    "FOURIERFT": {"n_frequency": 50},
    "GRALORA": {"r": 8},
    "IA3": {"feedforward_modules": ["intermediate.dense"]},
    "MISS": {"r": 8},
    "OFT": {"oft_block_size": 8},
    "ROAD": {"group_size": 8},
    "SHIRA": {"r": 2},
    "VBLORA": {"vector_length": 4, "num_vectors": 16},
    "WAVEFT": {"n_frequency": 50},
}
CASES = [(tuner, SETTINGS.get(tuner, {})) for tuner in tuner_types()] + [("LORA", {"use_rslora": True, "r": 4})]
OFF_THE_BASE = {"C3A", "FOURIERFT", "UNILORA", "VBLORA"}  # by their default initialisation
UNMERGED = {"LILY"}
ASKED_FOR = {
    *("OFT", "BOFT", "SHIRA", "LOHA", "LOKR", "IA3", "HRA", "MISS", "ROAD"),
    *("VBLORA", "FOURIERFT", "C3A", "LORA", "VERA", "RANDLORA", "FROD"),
}
every_tuner = pytest.mark.parametrize(("tuner", "settings"), CASES, ids=[f"{t}-{'-'.join(s)}" for t, s in CASES])
pytestmark = pytest.mark.filterwarnings("ignore")


def test_what_is_accepted():
    assert set(tuner_types()) >= ASKED_FOR


@every_tuner
def test_the_contract(tuner, settings, attached, make_model, train, logits, targets, head, tmp_path):
    options = {"type": tuner.lower(), "config": settings}
    base, adapted = make_model(), attached("peft", **options)
    start = logits(adapted.model)
    if tuner not in OFF_THE_BASE:
        torch.testing.assert_close(start, logits(base), rtol=1e-5, atol=1e-5)
    shapes = [tuple(layer.weight.shape) for _, layer in find_targets(base, targets, head)]
    counted = make_method("peft", **options).trainable_parameters(shapes)
    named = 2 * (64 - 32) if tuner == "IA3" else 0  # two layers scale their input, which only their names tell
    assert 0 < adapted.count()["adapter"] == counted - named
    train(adapted.model)
    roles = [p for parameters in adapted.roles.values() for p in parameters]
    assert {id(p) for p in roles} == {id(p) for p in adapted.model.parameters() if p.requires_grad}
    trained = logits(adapted.model)
    assert not torch.equal(trained, start)

    adapted.save(tmp_path / "ours")
    fresh = make_model()
    load_adapter(fresh, tmp_path / "ours")
    assert torch.equal(logits(fresh), trained)
    adapted.save(tmp_path / "theirs", format="peft")
    theirs = PeftModel.from_pretrained(make_model(), tmp_path / "theirs")
    torch.testing.assert_close(logits(theirs), trained, rtol=1e-5, atol=1e-5)

    restored = copy.deepcopy(adapted).detach().bert.state_dict()
    assert all(torch.equal(restored[name], value) for name, value in make_model().bert.state_dict().items())
    if tuner in UNMERGED:
        with pytest.raises(RequestError, match="PEFT cannot merge"):
            adapted.merge()
        assert torch.equal(logits(adapted.model), trained)
    else:
        model = adapted.merge()
        torch.testing.assert_close(logits(model), trained, rtol=1e-5, atol=1e-5)
        assert {n: type(m) for n, m in model.named_modules()} == {n: type(m) for n, m in base.named_modules()}


@pytest.mark.parametrize("tuner", ["SHIRA", "FOURIERFT", "VERA", "WAVEFT", "TINYLORA", "UNILORA", "OFT"])
def test_the_seed_fixes_what_is_drawn(tuner, attached, train, logits):
    def trained(seed):
        adapted = attached("peft", seed=seed, type=tuner, config=SETTINGS.get(tuner, {}))
        torch.manual_seed(seed + 10)  # of what else draws
        train(adapted.model)
        return logits(adapted.model)

    assert torch.equal(trained(0), trained(0))
    assert torch.equal(trained(0), trained(1)) == (tuner == "OFT")


@every_tuner
def test_a_step_depends_on_nothing_but_the_saved_values(tuner, settings, attached, batch):
    """So that a resumed run ends with the same bits."""

    def stepped(adapted, optimizer):
        torch.manual_seed(3)
        adapted.model.train()
        adapted.model(**batch).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return {name: value.clone() for name, value in adapted.trainable_state().items()}

    def made():
        adapted = attached("peft", type=tuner, config=settings)
        return adapted, torch.optim.AdamW([p for own in adapted.roles.values() for p in own], lr=1e-2)

    first, optimizer = made()
    saved, moments = stepped(first, optimizer), copy.deepcopy(optimizer.state_dict())
    expected = stepped(first, optimizer)
    resumed, optimizer = made()
    resumed.load_state(saved)
    optimizer.load_state_dict(moments)
    again = stepped(resumed, optimizer)
    assert all(torch.equal(again[name], value) for name, value in expected.items())


def test_steps_equal_pefts(same_steps):
    same_steps(OFTConfig(oft_block_size=8), "peft", type="OFT", config={"oft_block_size": 8})
    same_steps(ShiraConfig(r=2, random_seed=7), "peft", type="SHIRA", config={"r": 2})


def test_one_type_written_in_two_ways_is_one_method():
    assert make_method("peft", type="shira") == make_method("peft", type="SHiRA")


@pytest.mark.parametrize(
    ("tuner", "settings", "message"),
    [
        ("shra", {}, "Did you mean SHIRA"),
        ("prefix_tuning", {}, "trains tokens in front of the input"),
        ("adalora", {}, "after every step"),
        ("ln_tuning", {}, "normalisation layers"),
        ("shira", {"rr": 8}, r"method.config.rr. Did you mean r\?"),
        ("shira", {"r": "eight"}, "SHIRA takes a whole number there"),
        ("shira", {"r": True}, "SHIRA takes a whole number there"),
        ("shira", {"random_seed": 3}, "seed= fixes"),
        ("lora", {"target_modules": ["query"]}, "backbone.targets names the layers"),
        ("lora", {"modules_to_save": ["classifier"]}, "backbone.head names the head"),
        ("lora", {"task_type": "SEQ_CLS"}, "frod-bench sets it"),
        ("lora", {"bias": "all"}, "the base stays frozen"),
        ("lora", {"init_lora_weights": "pissa"}, "would not leave the base as it is"),
        ("lora", {"eva_config": {}}, "has no setting"),
        ("lora", {"r": 0}, "PEFT refuses LORA"),
        ("adamss", {"asa_target_subspaces": 3}, "has no setting"),
        ("road", {"variant": "road_9"}, "PEFT refuses ROAD.*road_9"),
        ("ia3", {"feedforward_modules": "dense"}, "takes a list as in"),
        ("ia3", {"feedforward_modules": ["dense9"]}, "dense9 is not accepted: it is none of the targets"),
        ("oft", {"oft_block_size": 64, "r": 2}, "PEFT refuses OFT"),
    ],
)
def test_what_is_refused_in_a_sentence(tuner, settings, message, make_model, targets, head):
    with pytest.raises(RequestError, match=message):
        attach(make_model(), "peft", targets=targets, head=head, type=tuner, config=settings)


def test_a_saved_setting_that_would_fill_the_memory_is_refused(attached, make_model, tmp_path):
    attached("peft", type="LOHA", config={"r": 4}).save(tmp_path)
    file = tmp_path / "adapter_config.json"
    file.write_text(file.read_text().replace('"r": 4', '"r": 400000000'))
    with pytest.raises(RequestError, match="does not fit its r=400000000"):
        load_adapter(make_model(), tmp_path)


def test_a_layer_that_does_not_fit_is_refused():
    with pytest.raises(RequestError, match="PEFT refuses C3A"):
        attach(nn.Sequential(nn.Linear(30, 32)), "peft", targets=["0"], type="C3A", config={"block_size": 16})


def test_large_layers_are_counted_one_at_a_time_or_without_memory():
    assert make_method("peft", type="LOHA").trainable_parameters([(2**15, 2**14)] * 9) == 9 * 2 * 8 * (2**15 + 2**14)
    assert make_method("peft", type="SHIRA").trainable_parameters([(1024, 512)] * 200) == 200 * 32 * (1024 + 512)


def test_every_type_of_value_that_peft_states_is_told_from_others():
    for tuner in tuner_types():
        defaults = vars(config_class(tuner)())
        given = {name: value for name, value in SETTINGS.get(tuner, {}).items() if value != defaults[name]}
        assert make_method("peft", type=tuner, config=given).config == given


@pytest.mark.parametrize("tuner", ["SHIRA", "WAVEFT", "C3A"])
def test_shapes_that_peft_refuses_are_refused_when_they_are_counted_too(tuner):
    with pytest.raises(RequestError, match=rf"PEFT refuses {tuner} with these settings"):
        make_method("peft", type=tuner).trainable_parameters([(32, 32)])
