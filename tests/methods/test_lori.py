"""LoRI: A frozen and shared by both stages, B inside the magnitude mask, and ten steps against the definition."""

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import nn

from frod_bench.errors import RequestError
from frod_bench.methods import attach, load_adapter, make_method
from frod_bench.methods.support.peft_method import tuner_layers


@pytest.fixture
def first_stage(make_model, targets, head, train, tmp_path):
    """The folder of a run of stage D with rank 4 and seed 3, and its adapter."""
    adapted = attach(make_model(), "lori", targets=targets, head=head, seed=3, rank=4, alpha=8.0)
    train(adapted.model)
    adapted.save(tmp_path / "D/adapter")
    return tmp_path / "D", adapted


@pytest.fixture
def second_stage(first_stage, make_model, targets, head):
    """Return a function that attaches stage S to a fresh model."""

    def make(**options):
        options = {"rank": 4, "alpha": 8.0, "mask": str(first_stage[0]), "seed": 3} | options
        return attach(make_model(), "lori", targets=targets, head=head, **options)

    return make


def factors(adapted):
    return {
        name: (lay.lora_A["default"].weight, lay.lora_B["default"].weight) for name, lay in tuner_layers(adapted.model)
    }


def test_steps_equal_pefts_with_the_same_frozen_a(make_model, targets, head, train, logits):
    ours = attach(make_model(), "lori", targets=targets, head=head, seed=3, rank=4, alpha=8.0)
    config = LoraConfig(r=4, lora_alpha=8, target_modules=set(targets), modules_to_save=head)
    theirs = get_peft_model(make_model(), config)
    for name, layer in tuner_layers(theirs.base_model.model):
        A = layer.lora_A["default"].weight
        A.data.copy_(factors(ours)[name][0])
        A.requires_grad_(False)
        assert A.abs().max() <= A.shape[1] ** -0.5 and A.std() > 0.5 * A.shape[1] ** -0.5
    for model in (theirs, ours.model):
        train(model, steps=5)
    assert torch.equal(logits(ours.model), logits(theirs))


def test_a_is_frozen_and_both_stages_share_it(first_stage, second_stage, train):
    A = {name: a.clone() for name, (a, _) in factors(first_stage[1]).items()}
    adapted = second_stage()
    train(adapted.model)
    assert all(torch.equal(a, A[name]) for name, (a, _) in factors(adapted).items())
    assert not any(a.requires_grad for a, _ in factors(adapted).values())


def test_a_follows_the_seed_and_its_name(make_model, targets):
    def drawn(**options):
        adapted = attach(make_model(), "lori", targets=targets, **options)
        return torch.cat([a.flatten() for a, _ in factors(adapted).values()])

    first = drawn(seed=1, a_of="rte")
    assert torch.equal(first, drawn(seed=1, a_of="rte"))
    for other in (drawn(seed=2, a_of="rte"), drawn(seed=1, a_of="cola")):
        assert abs(nn.functional.cosine_similarity(first, other, dim=0)) < 0.1


def test_a_tenth_of_b_trains_and_only_inside_the_mask(first_stage, second_stage, train):
    before = {name: b.detach().abs() for name, (_, b) in factors(first_stage[1]).items()}
    sizes = torch.cat([b.flatten() for b in before.values()])
    kept = sizes.numel() // 10
    threshold = sizes.sort(descending=True).values[kept - 1]
    adapted = second_stage()
    assert adapted.facts["mask"] == {"kept": kept, "of": sizes.numel()}
    assert adapted.count()["adapter"] == kept
    train(adapted.model, steps=5)
    after = {name: b for name, (_, b) in factors(adapted).items()}
    assert sum(int((b != 0).sum()) for b in after.values()) == kept
    assert all(((b != 0) <= (before[name] >= threshold)).all() for name, b in after.items())
    shares = {float((b != 0).float().mean()) for b in after.values()}
    assert max(shares) > 2 * min(shares)  # one threshold for all layers


def test_the_count_follows_from_the_shapes(second_stage):
    adapted = second_stage(sparsity=0.7)
    shapes = [(b.shape[0], a.shape[1]) for a, b in factors(adapted).values()]
    assert adapted.count()["adapter"] == adapted.method.trainable_parameters(shapes)


def test_ten_steps_follow_the_definition(second_stage, batch):
    """AdamW written out in float64, on gradients that are zero outside the mask, as the paper's Sec. 3 has it."""
    ours, plain = (second_stage().model.double().train() for _ in range(2))
    masks = {name: layer.lora_B["default"].mask for name, layer in tuner_layers(ours)}
    for name, layer in tuner_layers(plain):  # B without a mask: its gradient is masked by hand
        B = nn.Linear(4, len(masks[name]), bias=False, dtype=torch.float64)
        B.weight = layer.lora_B["default"].weight
        layer.lora_B["default"] = B
    mine = {name: p for name, p in plain.named_parameters() if p.requires_grad}
    moments = {name: (torch.zeros_like(p), torch.zeros_like(p)) for name, p in mine.items()}
    optimizer = torch.optim.AdamW([p for p in ours.parameters() if p.requires_grad], lr=1e-2, weight_decay=0.0)
    for step in range(1, 11):
        optimizer.zero_grad()
        ours(**batch).loss.backward()
        optimizer.step()
        gradients = torch.autograd.grad(plain(**batch).loss, list(mine.values()))
        with torch.no_grad():
            for (name, p), gradient in zip(mine.items(), gradients, strict=True):
                if "lora_B" in name:
                    gradient = gradient * masks[name.removesuffix(".lora_B.default.weight")]
                m, v = moments[name]
                m.mul_(0.9).add_(0.1 * gradient)
                v.mul_(0.999).add_(0.001 * gradient**2)
                p -= 1e-2 * (m / (1 - 0.9**step)) / ((v / (1 - 0.999**step)).sqrt() + 1e-8)
    for name, p in ours.named_parameters():
        if p.requires_grad:
            torch.testing.assert_close(p, mine[name], rtol=1e-9, atol=1e-10)


def test_entries_outside_the_mask_keep_their_values(second_stage, train):
    """As in the authors' continual runs, where B comes from another task."""
    adapted = second_stage()
    with torch.no_grad():
        for _, B in factors(adapted).values():
            B.fill_(0.01)
    train(adapted.model, lr=1e-3)
    for _, layer in tuner_layers(adapted.model):
        B = layer.lora_B["default"]
        decayed = 0.01 * (1 - 1e-5) ** 3  # the weight decay of the fixture's AdamW, 1e-2 times its rate
        torch.testing.assert_close(B.weight[~B.mask], torch.full_like(B.weight[~B.mask], decayed))


def test_a_saved_second_stage_needs_no_first_one(first_stage, second_stage, train, make_model, logits, tmp_path):
    adapted = second_stage()
    train(adapted.model)
    adapted.save(tmp_path / "S")
    first_stage[0].rename(tmp_path / "gone")
    loaded = load_adapter(make_model(), tmp_path / "S")
    assert torch.equal(logits(loaded.model), logits(adapted.model))
    train(loaded.model)
    train(adapted.model)
    assert all(torch.equal(b, factors(adapted)[name][1]) for name, (_, b) in factors(loaded).items())


@pytest.mark.parametrize("stage", ["D", "S"])
def test_peft_loads_either_stage(stage, first_stage, second_stage, make_model, logits, train, tmp_path):
    adapted = first_stage[1] if stage == "D" else second_stage()
    train(adapted.model)
    adapted.save(tmp_path / "peft", format="peft")
    theirs = PeftModel.from_pretrained(make_model(), tmp_path / "peft")
    assert torch.equal(logits(theirs), logits(adapted.model))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"seed": 4}, "has seed 3"),
        ({"rank": 8}, "its rank is 4"),
        ({"mask": "nowhere"}, "no readable"),
        ({"sparsity": 1.0}, "share of zeros"),
    ],
)
def test_a_mask_that_does_not_fit_is_refused(options, words, second_stage):
    with pytest.raises(RequestError, match=words):
        second_stage(**options)


def test_another_a_can_be_asked_for(second_stage):
    own, other = factors(second_stage()), factors(second_stage(seed=4, a_of="as the authors' code"))
    assert not any(torch.equal(a, other[name][0]) for name, (a, _) in own.items())


def test_a_second_stage_is_no_first_one(second_stage, make_model, targets, tmp_path):
    second_stage().save(tmp_path / "S")
    with pytest.raises(RequestError, match="no run of lori without a mask"):
        attach(make_model(), "lori", targets=targets, seed=3, rank=4, mask=str(tmp_path / "S"))


def test_a_first_stage_that_has_not_moved_gives_no_mask(make_model, targets, head, tmp_path):
    attach(make_model(), "lori", targets=targets, head=head, rank=4).save(tmp_path)
    with pytest.raises(RequestError, match="have moved"):
        make_method("lori", rank=4, mask=str(tmp_path)).attach(make_model(), targets, head)
