"""Devices, precisions and engines that are available, and the refusal of others."""

from types import SimpleNamespace

import pytest
import torch
from accelerate.utils import DistributedType

from frod_bench.errors import RequestError
from frod_bench.train import accelerator as accelerator_module
from frod_bench.train.accelerator import make_accelerator


def test_one_process_can_run_one_precision_after_another(make_settings):
    for precision in ("no", "bf16", "no"):
        assert make_accelerator(make_settings(precision=precision)).mixed_precision == precision


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is there")
def test_what_needs_a_cuda_device_is_refused_without_one(make_settings):
    with pytest.raises(RequestError, match=r"train\.device=cuda is not available.*train\.device=cpu"):
        make_accelerator(make_settings(device="cuda"))
    with pytest.raises(RequestError, match=r"train\.precision=fp16 needs a CUDA device"):
        make_accelerator(make_settings(device="auto", precision="fp16"))


def test_other_engines_are_refused(make_settings, monkeypatch):
    state = SimpleNamespace(distributed_type=DistributedType.FSDP)
    monkeypatch.setattr(accelerator_module, "Accelerator", lambda **options: state)
    with pytest.raises(RequestError, match=r"FSDP is not used here.*torchrun.*train\.shard=true"):
        make_accelerator(make_settings())


def test_one_process_has_nobody_to_share_its_weights_with(make_settings):
    with pytest.raises(RequestError, match=r"this is one process.*torchrun"):
        make_accelerator(make_settings(shard=True))
    with pytest.raises(RequestError, match=r"train\.shard=maybe is not accepted"):
        make_settings(shard="maybe")
