"""VeRA and RandLoRA are PEFT's; their random bases are drawn from the seed, not saved, and checked by sketches."""

import json

import pytest
import torch
from peft import PeftModel, RandLoraConfig, VeraConfig
from safetensors.torch import load_file

from frod_bench.errors import RequestError
from frod_bench.methods import attach, load_adapter

pytestmark = pytest.mark.filterwarnings("ignore:Specified to not")
shared = pytest.mark.parametrize(("method", "names"), [("vera", "vera"), ("randlora", "randlora")])


def test_steps_of_vera_equal_pefts(same_steps):
    config = VeraConfig(r=16, d_initial=0.2, projection_prng_key=7, save_projection=False)
    same_steps(config, "vera", rank=16, d_initial=0.2)


@pytest.mark.parametrize("bases", ["dense", "sparse", "very_sparse"])
def test_steps_of_randlora_equal_pefts(bases, same_steps):
    kind = {} if bases == "dense" else {bases: True}
    config = RandLoraConfig(r=5, randlora_alpha=10, projection_prng_key=7, save_projection=False, **kind)
    same_steps(config, "randlora", rank=5, alpha=10.0, bases=bases)


@shared
def test_layers_of_all_shapes_share_one_pair_of_bases(method, names, make_model, targets):
    model = make_model()
    attach(model, method, targets=targets)
    pairs = {
        (id(getattr(m, f"{names}_A")["default"]), id(getattr(m, f"{names}_B")["default"]))
        for m in model.modules()
        if hasattr(m, f"{names}_A")
    }
    assert len(pairs) == 1


@shared
def test_the_bases_are_in_no_file_and_come_back_from_the_seed(method, names, make_model, targets, head, tmp_path):
    adapted = attach(make_model(), method, targets=targets, head=head, seed=3)
    adapted.save(tmp_path)
    stored = load_file(tmp_path / "adapter_model.safetensors")
    assert not any(f"{names}_A" in key or f"{names}_B" in key for key in stored)
    again = load_adapter(make_model(), tmp_path)
    bases = [getattr(a.state.tuner, f"{names}_A")["default"] for a in (adapted, again)]
    assert torch.equal(*bases)


@shared
def test_other_bases_are_refused(method, names, make_model, targets, head, tmp_path):
    attach(make_model(), method, targets=targets, head=head, seed=3).save(tmp_path)
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    (tmp_path / "adapter_config.json").write_text(json.dumps(config | {"seed": 4}))
    with pytest.raises(RequestError, match="needs another A than is computed here from the same base weights"):
        load_adapter(make_model(), tmp_path)


@shared
def test_peft_loads_a_checkpoint(method, names, make_model, targets, head, train, logits, tmp_path):
    adapted = attach(make_model(), method, targets=targets, head=head, seed=3)
    train(adapted.model)
    adapted.save(tmp_path, format="peft")
    assert torch.equal(logits(PeftModel.from_pretrained(make_model(), tmp_path)), logits(adapted.model))
