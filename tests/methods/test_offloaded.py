"""Models whose weights accelerate keeps on the CPU or on disk: each method works, or refuses before it starts."""

import accelerate
import pytest
import torch

from frod_bench.errors import RequestError
from frod_bench.methods import attach, load_adapter, method_names

every_method = pytest.mark.parametrize("method", method_names())


def cpu(model, folder):
    return accelerate.cpu_offload(model, execution_device="cpu")


def disk(model, folder):
    return accelerate.disk_offload(model, folder, execution_device="cpu")


def parts(names):
    def dispatch(model, folder):
        rest = {"bert.embeddings", "bert.encoder.layer.0", "bert.encoder.layer.1", "bert.pooler", "classifier"}
        where = {name: "disk" if name in names else "cpu" for name in rest}
        return accelerate.dispatch_model(model, where, main_device="cpu", offload_dir=folder, force_hooks=True)

    return dispatch


@every_method
@pytest.mark.parametrize(
    ("offload", "named"),
    [
        (cpu, "classifier|query|model"),
        (disk, "classifier|query|model"),
        (parts({"bert.encoder.layer.1"}), "query|model"),
        (parts({"classifier"}), "classifier|model"),
    ],
    ids=["cpu", "disk", "targets", "head"],
)
def test_offloaded_weights_are_refused_before_anything_is_changed(
    method, offload, named, make_model, targets, head, batch, tmp_path
):
    model = offload(make_model(), tmp_path)
    kinds = [type(module) for module in model.modules()]
    with pytest.raises(RequestError, match=rf"^The weights of (.*\.)?(the )?({named}) are offloaded: .*device_map"):
        attach(model, method, targets=targets, head=head)
    assert [type(module) for module in model.modules()] == kinds
    assert all(p.requires_grad for p in model.parameters())
    model(input_ids=batch["input_ids"])


@pytest.mark.parametrize("method", [name for name in method_names() if name != "full_ft"])
def test_weights_that_no_adapter_needs_may_be_offloaded(method, attached, make_model, head, train, logits, tmp_path):
    offload, targets = parts({"bert.embeddings", "bert.encoder.layer.1"}), ["layer.0.attention.self.query"]
    plain = attach(make_model(), method, targets=targets, head=head)
    partly = attach(offload(make_model(), tmp_path), method, targets=targets, head=head)
    for adapted in (plain, partly):
        train(adapted.model)
    assert torch.equal(logits(partly.model), logits(plain.model))
    partly.save(tmp_path / "adapter")
    assert torch.equal(logits(load_adapter(make_model(), tmp_path / "adapter").model), logits(plain.model))


@every_method
def test_an_adapter_that_is_offloaded_later_is_not_saved(method, attached, tmp_path):
    if method == "qlora":
        pytest.skip("accelerate takes no four-bit weights of the library off a CPU")
    adapted = attached(method)
    cpu(adapted.model, tmp_path)
    with pytest.raises(RequestError, match=r"not in the model \(device meta\).*remove_hook_from_submodules"):
        adapted.save(tmp_path / "adapter")
