"""A setting small enough to time in milliseconds."""

import pytest
import torch

from frod_bench.bench.contenders import Setting
from frod_bench.bench.shapes import ARCHITECTURES


@pytest.fixture
def setting():
    return Setting(ARCHITECTURES["minilm"], 4, 2, 5, 0.05, 8, torch.float32, torch.device("cpu"), narrow=8)
