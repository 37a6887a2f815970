"""Claims about the released layers, on a fork of ours that keeps to them or breaks them in the same ways."""

import pytest

from frod_bench.audit import fork, fork_process, scripts
from frod_bench.audit.claim import FAILS, HOLDS
from frod_bench.audit.evidence import MissingEvidence
from frod_bench.audit.fork import LAYER, MODEL

MODEL_TEXT = """
import os
import torch
from .config import FRODConfig
from .layer import FRODLayer, Linear


class FRODModel:
    def _init_FROD_V(self, config, adapter_name):
        file = os.path.join(config.model_dir, "pattern{suffix}.pth")
        weights = [m.weight for k, m in self.model.named_modules() if self._check_target_module_exists(config, k)]
        stack = torch.cat([w.detach() for w in weights])
        n = stack.shape[1]
        {seed}
        places = torch.rand(n, n) < config.sparse_rate
        cache_exists = os.path.exists(file)
        if cache_exists:
            places = torch.load(file)
        torch.save(places, file)
        self.FROD_S_mask = {{"self_attn.q_proj": {{adapter_name: places.fill_diagonal_(False).float()}}}}
        self.FROD_V = {{"self_attn.q_proj": {{adapter_name: torch.linalg.qr(stack).R.T}}}}
"""
LAYER_TEXT = """
import torch
from torch import nn


class FRODLayer:
    pass


class Linear(nn.Module):
    def __init__(self, base_layer, V, mask, name):
        super().__init__()
        self.base_layer, self.V, self.mask = base_layer, V[name], mask[name]
        B = base_layer.weight.detach() @ torch.linalg.inv(self.V).T
        self.l = B.norm(dim=0)
        self.U = B / self.l
        self.FROD_lambda_S_values = {{name: torch.zeros(int(self.mask.sum()))}}
        self.keep = {keep}

    def S(self, name):
        S = torch.zeros_like(self.mask)
        S[self.mask.bool()] = self.FROD_lambda_S_values[name]
        return S

    def get_delta_weight(self, name):
        return self.U @ (self.S(name) + torch.diag(self.l)) @ self.V.T

    def forward(self, x):
        result = self.keep * self.base_layer(x)
        S = self.S("default"){transposed}
        out_add = x @ self.V @ (S.T + torch.diag(self.l)) @ self.U.T
        result = result + out_add
        return result
"""
SOUND = {"keep": 0, "transposed": "", "suffix": "{config.sparse_rate}", "seed": "torch.manual_seed(1)"}
BROKEN = {"keep": 1, "transposed": ".T", "suffix": "", "seed": ""}
NAMES = ("starts-at-base", "merge-is-forward", "pattern-of-density", "pattern-of-key")


def files(settings):
    model = MODEL_TEXT.format(**settings).replace('"pattern', 'f"pattern')
    return {MODEL: model, LAYER: LAYER_TEXT.format(**settings), scripts.ABLATION: ""}


@pytest.fixture
def here(monkeypatch):
    """Answer in this process, which saves starting one; `test_fork.py` starts it."""

    def answer(release, question, commit, settings):
        texts = (release.source(path, commit).text for path in (LAYER, MODEL))
        return getattr(fork_process, question)(*texts, **settings)

    monkeypatch.setattr(fork, "_answer", answer)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("settings", "verdict"), [(SOUND, HOLDS), (BROKEN, FAILS)], ids=["sound", "broken"])
def test_the_fork_is_run(check, clone, here, name, settings, verdict):
    made = files(settings)
    clone("AAAI2026-FRoD", first=made, head=made | {"x": "1"})
    assert check(name).verdict == verdict


def test_twice_the_weight_is_seen(check, clone):
    sound, broken = files(SOUND), files(BROKEN)
    clone("AAAI2026-FRoD", first=sound, head=broken)
    first, head = check("starts-at-base").rows
    assert first[1] < 1e-5 and head[1] == pytest.approx(1) and head[2] < 1e-5


def test_a_fork_that_does_not_run_here(check, clone):
    made = files(SOUND) | {LAYER: "import no_such_module_here"}
    clone("AAAI2026-FRoD", first=made, head=made | {"x": "1"})
    with pytest.raises(MissingEvidence, match="no_such_module_here"):
        check("pattern-of-key")
