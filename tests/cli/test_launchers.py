"""Hydra's launchers run a sweep's jobs in processes of their own: on this host, or on a cluster's nodes."""

import pytest

from frod_bench.record.store import find_records


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["submitit_local", "joblib"])
def test_a_sweep_by_a_launcher(smoke, tmp_path, launcher):
    code, _, err = smoke("-m", f"hydra/launcher={launcher}", "method=frod,lora")
    assert code == 0, err
    runs = find_records(tmp_path / "outputs").runs
    assert sorted((run.record.method, run.record.status) for run in runs) == [
        ("frod", "completed"),
        ("lora", "completed"),
    ]


@pytest.mark.slow
def test_what_fails_on_a_node_fails_the_sweep(smoke, tmp_path):
    code, _, err = smoke("-m", "hydra/launcher=submitit_local", "method.sparsity=2,0.1")
    assert code == 2
    assert "method.sparsity=2" in err and "Traceback" not in err
    assert len(find_records(tmp_path / "outputs").runs) == 1
