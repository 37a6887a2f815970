"""No test reaches the network, asks for an account or takes more than one thread."""

import os
import tempfile

import pytest

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
for variable in ("WANDB_MODE", "WANDB_API_KEY", "FROD_BENCH_OUT"):
    os.environ.pop(variable, None)
os.environ["FROD_BENCH_CACHE"] = tempfile.mkdtemp(prefix="frod-bench-tests-")


def pytest_collection_modifyitems(items):
    marked = [item for item in items if "gpu" in item.keywords]
    if not marked:
        return
    import torch

    if not torch.cuda.is_available():
        for item in marked:
            item.add_marker(pytest.mark.skip(reason="torch sees no CUDA device"))
