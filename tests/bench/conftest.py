"""A setting small enough to time in milliseconds."""

import pytest
import torch

from frod_bench.bench.contenders import Setting
from frod_bench.bench.shapes import timed_backbone


@pytest.fixture
def setting():
    return Setting(timed_backbone("minilm"), 4, 2, 5, 0.05, 8, torch.float32, torch.device("cpu"), narrow=8)
