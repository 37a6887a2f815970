import torch
from safetensors.torch import save_file

from frod_bench.backbones import vit
from frod_bench.backbones.vit import VitBackbone, make_tower

SIZES = {"image_size": 16, "patch_size": 4, "width": 16, "layers": 2, "heads": 2}
IMAGES = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def make(**values):
    return VitBackbone("tiny", SIZES, ["fc1"], ["classifier"], **values)


def test_random_weights_are_the_same_for_every_seed_but_for_the_head():
    one, other = make().build(3, seed=1), make().build(3, seed=2)
    assert torch.equal(one.vision_model.conv1.weight, other.vision_model.conv1.weight)
    assert not torch.equal(one.classifier.weight, other.classifier.weight)
    assert one(IMAGES).logits.shape == (2, 3)
    assert not one.training


def test_building_leaves_the_random_state_alone():
    state = torch.get_rng_state()
    make().build(3, seed=1)
    assert torch.equal(torch.get_rng_state(), state)


def test_stored_weights_are_read_in_float32(tmp_path, monkeypatch):
    monkeypatch.setattr(vit, "ASSETS", tmp_path)
    stored = make().build(2, seed=0).vision_model.state_dict()
    stored = {name: (tensor + 0.25).half() for name, tensor in stored.items()}
    (tmp_path / "ours").mkdir()
    save_file(stored, tmp_path / "ours/model.safetensors")
    backbone = make(weights="ours")
    for name, tensor in backbone.build(3, seed=0).vision_model.state_dict().items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, stored[name].float())
    assert backbone.provenance()["source"] == "package"
    assert backbone.provenance()["fingerprint"] != make().provenance()["fingerprint"]


def test_left_out_patches_are_a_matter_of_training():
    tower = make_tower(**SIZES, patch_dropout=0.5)
    with torch.no_grad():
        assert not torch.equal(tower.train()(IMAGES), tower(IMAGES))
        assert torch.equal(tower.eval()(IMAGES), tower(IMAGES))


def test_the_processor_has_the_size_of_the_tower():
    assert make().processor().size == 16


def test_the_packaged_weights_are_the_ones_described():
    card = (vit.ASSETS / "vit_tiny/README.md").read_text()
    assert (vit.ASSETS / "vit_tiny/model.safetensors").stat().st_size < 8 * 2**20
    backbone = VitBackbone(
        "vit_tiny",
        {"image_size": 32, "patch_size": 4, "width": 128, "layers": 6, "heads": 4},
        ["fc1"],
        ["classifier"],
        weights="vit_tiny",
    )
    assert backbone.provenance()["fingerprint"] in card
    assert backbone.build(2, seed=0)(torch.zeros(1, 3, 32, 32)).logits.isfinite().all()
