"""Wrappers of torch around a model or its parts change nothing in what is attached, trained and saved."""

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import checkpoint_wrapper
from torch.distributed.fsdp import FullyShardedDataParallel, fully_shard
from torch.nn.parallel import DistributedDataParallel
from torch.testing._internal.distributed.fake_pg import FakeStore

from frod_bench.errors import RequestError
from frod_bench.methods import attach, load_adapter, method_names
from frod_bench.methods.support.wrappers import (
    named_modules,
    named_parameters,
    strip_wrappers,
    submodule,
    unparametrised_name,
)


def compile_model(model):
    return torch.compile(model)


def compile_blocks(model):
    blocks = model.bert.encoder.layer
    for i, block in enumerate(blocks):
        blocks[i] = torch.compile(block)
    return model


def checkpoint_blocks(model):
    blocks = model.bert.encoder.layer
    for i, block in enumerate(blocks):
        blocks[i] = checkpoint_wrapper(block)
    return model


WRAPS = [compile_model, compile_blocks, checkpoint_blocks, nn.DataParallel]
every_method = pytest.mark.parametrize("method", method_names())


@pytest.fixture(autouse=True)
def eager():
    with torch.compiler.set_stance("force_eager"):
        yield


@every_method
@pytest.mark.parametrize("wrap", WRAPS)
def test_an_adapter_goes_from_a_wrapped_model_to_a_plain_one_and_back(
    method, wrap, attached, make_model, train, logits, tmp_path
):
    plain, wrapped = attached(method, seed=3), attached(method, wrap(make_model()), seed=3)
    train(plain.model)
    train(wrapped.model)
    expected = logits(plain.model)
    assert torch.equal(logits(wrapped.model), expected)
    assert list(wrapped.trainable_state()) == list(plain.trainable_state())
    assert wrapped.fingerprint().keys() == plain.fingerprint().keys()
    wrapped.save(tmp_path / "wrapped")
    plain.save(tmp_path / "plain")
    assert torch.equal(logits(load_adapter(make_model(), tmp_path / "wrapped").model), expected)
    assert torch.equal(logits(load_adapter(wrap(make_model()), tmp_path / "plain").model), expected)


@pytest.mark.parametrize("method", ["frod", "lora", "pissa", "vera"])
@pytest.mark.parametrize("wrap", WRAPS)
def test_the_file_for_peft_is_the_same(method, wrap, attached, make_model, tmp_path):
    options = {"basis": "peft"} if method == "frod" else {}
    for name, model in (("plain", make_model()), ("wrapped", wrap(make_model()))):
        attached(method, model, **options).save(tmp_path / name, format="peft")
    for file in ("adapter_config.json", "adapter_model.safetensors"):
        assert (tmp_path / "wrapped" / file).read_bytes() == (tmp_path / "plain" / file).read_bytes()


@every_method
def test_a_model_that_is_wrapped_after_it_was_adapted(method, attached, make_model, train, logits, tmp_path):
    adapted = attached(method)
    count = adapted.count()
    adapted.model = compile_model(compile_blocks(adapted.model))
    assert adapted.count() == count
    train(adapted.model)
    adapted.save(tmp_path)
    assert torch.equal(logits(load_adapter(make_model(), tmp_path).model), logits(adapted.model))


def test_names_typed_with_a_wrapper_in_them(make_model):
    targets, head = ["bert.encoder.layer.0._orig_mod.attention.self.query"], ["_orig_mod.classifier"]
    adapted = attach(torch.compile(make_model()), "lora", targets=targets, head=head)
    assert adapted.targets == ["bert.encoder.layer.0.attention.self.query"]
    assert adapted.count()["head"] == 2 * 32 + 2


@pytest.mark.parametrize("method", [name for name in method_names() if name != "full_ft"])
def test_a_target_that_is_wrapped_alone_is_refused(method, make_model, targets, head):
    model = make_model()
    layer = model.bert.encoder.layer[1].attention.self
    layer.query = torch.compile(layer.query)
    with pytest.raises(RequestError, match=r"layer\.1\.attention\.self\.query alone is wrapped in a OptimizedModule"):
        attach(model, method, targets=targets, head=head)


@pytest.fixture
def one_process():
    dist.init_process_group("fake", rank=0, world_size=1, store=FakeStore())
    yield
    dist.destroy_process_group()


@every_method
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.parametrize(
    ("wrap", "words"),
    [
        (DistributedDataParallel, "in a DistributedDataParallel already"),
        (lambda m: FullyShardedDataParallel(m, device_id="cpu"), "in a FullyShardedDataParallel already"),
        (fully_shard, "is split over processes already"),
    ],
    ids=["ddp", "fsdp1", "fsdp2"],
)
def test_a_model_that_processes_share_already_is_refused(method, wrap, words, one_process, make_model, targets, head):
    with pytest.raises(RequestError, match=rf"{words}.*[Aa]ttach to the"):
        attach(wrap(make_model()), method, targets=targets, head=head)


class Odd(nn.Module):
    def __init__(self):
        super().__init__()
        self.module = nn.Linear(3, 3)  # no wrapper
        self.other = nn.DataParallel(nn.Sequential(nn.Linear(3, 3)))
        self.other.module[0].weight = self.module.weight


def test_only_wrappers_are_taken_out_of_a_name():
    model = Odd()
    assert [name for name, _ in named_modules(model)] == ["", "module", "other", "other.0"]
    assert [name for name, _ in named_parameters(model)] == ["module.weight", "module.bias", "other.0.bias"]
    assert len(list(named_parameters(model, remove_duplicate=False))) == 4
    assert submodule(model, "other.0") is model.other.module[0]
    assert strip_wrappers("_orig_mod.a._fsdp_wrapped_module.module.b") == "a.module.b"
    assert strip_wrappers("a._checkpoint_wrapped_module") == "a"
    assert unparametrised_name("a.parametrizations.weight.original") == "a.weight"
    assert unparametrised_name("a.parametrizations.weight.original0") == "a.parametrizations.weight.original0"
