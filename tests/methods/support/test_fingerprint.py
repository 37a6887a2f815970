"""An adapter for other layers, other base weights or another precision is refused, with the right reason."""

from functools import partial

import pytest
import torch
from safetensors.torch import load_file, save_file

from frod_bench.errors import RequestError
from frod_bench.methods import load_adapter, method_names
from frod_bench.methods.support.fingerprint import check_sketches, computed_sketch, weight_sketch

METHODS = [name for name in method_names() if name != "full_ft"]
FROM_WEIGHTS = ["frod", "fura", "goat", "milora", "pissa", "qfura"]  # what is frozen is computed from the weights
QUERY = "bert.encoder.layer.0.attention.self.query"
PRECISIONS = [torch.float32, torch.bfloat16, torch.float16]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("factor", [1.5, 1.1, 1.01, 1 + 1e-4])
def test_one_weight_that_differs_is_named(method, factor, attached, make_model, tmp_path):
    attached(method).save(tmp_path)
    other = make_model()
    other.get_submodule(QUERY).weight.data *= factor
    words = "other base weights" if factor > 1.02 else "base weights that differ a little from these"
    with pytest.raises(RequestError, match=rf"made for {words}.*{QUERY}"):
        load_adapter(other, tmp_path)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("layers", [1, 3])
def test_other_layers_are_named(method, layers, attached, make_model, tmp_path):
    attached(method).save(tmp_path)
    words = r"nothing on .*layer\.2\." if layers == 3 else r"this model has no .*layer\.1\."
    with pytest.raises(RequestError, match=f"does not fit this model, it was made for other layers.*{words}"):
        load_adapter(make_model(layers=layers), tmp_path)


@pytest.mark.parametrize("method", [name for name in METHODS if name not in FROM_WEIGHTS])
@pytest.mark.parametrize("here", PRECISIONS)
@pytest.mark.parametrize("there", PRECISIONS)
def test_the_same_weights_in_another_precision_are_accepted_or_named(
    method, there, here, attached, make_model, tmp_path
):
    attached(method, make_model().to(there)).save(tmp_path)
    if {there, here} == {torch.bfloat16, torch.float16}:  # neither holds a rounding of the other
        with pytest.raises(RequestError, match=r"rounded in another way\. Load the model in the precision"):
            load_adapter(make_model().to(here), tmp_path)
    else:
        load_adapter(make_model().to(here), tmp_path)
        load_adapter(make_model().to(here).float(), tmp_path)


@pytest.mark.parametrize("method", FROM_WEIGHTS)
@pytest.mark.parametrize("here", [torch.bfloat16, torch.float16])
def test_what_another_precision_makes_of_the_same_weights_is_said_to_be_that(
    method, here, attached, make_model, tmp_path
):
    attached(method).save(tmp_path)
    with pytest.raises(RequestError, match=r"from the same base weights\. It was trained in another precision"):
        load_adapter(make_model().to(here), tmp_path)


@pytest.mark.parametrize("method", METHODS)
def test_a_file_of_the_version_before_loads_and_is_told_from_other_weights(method, attached, make_model, tmp_path):
    """It had one number for a weight, and none for one from which something is computed."""
    file = attached(method).save(tmp_path) / "adapter_model.safetensors"
    before = {}
    for name, tensor in load_file(file).items():
        if name.startswith("fingerprint.") and name.endswith(".weight"):
            continue
        before[name] = tensor[:1] if name.startswith("fingerprint.bert") and len(tensor) == 2 else tensor
    save_file(before, file)
    load_adapter(make_model(), tmp_path)
    other = make_model()
    other.get_submodule(QUERY).weight.data[0] *= 1.5
    with pytest.raises(
        RequestError, match=rf"other base weights.*{QUERY}|needs another .*query.* from its base weights"
    ):
        load_adapter(other, tmp_path)


@pytest.mark.parametrize("shape", [(64, 96), (768, 16), (5, 3)])
def test_roundings_of_one_tensor_are_told_from_other_tensors(shape):
    """Over many draws: no rounding is taken for another weight, and hardly another weight for a rounding."""
    generator = torch.Generator().manual_seed(0)
    check = partial(check_sketches, place="there")
    taken = 0
    for _ in range(100):
        weight = 0.02 * torch.randn(shape, generator=generator)
        for rounded in (weight.half(), weight.bfloat16(), weight.double()):
            check({"w": weight_sketch(weight)}, {"w": weight_sketch(rounded).values})
            check({"w": weight_sketch(rounded)}, {"w": weight_sketch(weight).values})
        other = weight + 1e-3 * 0.02 * torch.randn(shape, generator=generator)
        try:
            check({"w": weight_sketch(weight)}, {"w": weight_sketch(other).values})
            taken += 1
        except RequestError:
            pass
    assert taken <= 3


def test_weights_that_overflow_half_precision_or_are_zero():
    for weight in (torch.full((3, 4), 1e6), torch.zeros(3, 4)):
        check_sketches({"w": weight_sketch(weight)}, {"w": weight_sketch(weight).values}, "there")
        check_sketches({"w": computed_sketch(weight)}, {"w": computed_sketch(weight).values}, "there")
        with pytest.raises(RequestError, match="other base weights"):
            check_sketches({"w": weight_sketch(weight)}, {"w": weight_sketch(weight + 1 + weight).values}, "there")
