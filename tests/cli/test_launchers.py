"""Hydra's launchers run a sweep's jobs in processes of their own: on this host, or on a cluster's nodes."""

import pytest

from frod_bench.record import find_records


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["submitit_local", "joblib"])
def test_a_sweep_by_a_launcher_goes_on_past_what_fails_on_a_node(smoke, tmp_path, launcher):
    code, _, err = smoke("-m", f"hydra/launcher={launcher}", "method=lora", "protocol=mine,released")
    assert code == 2
    assert "protocol=mine" in err and "Traceback" not in err
    (run,) = find_records(tmp_path / "outputs").runs
    assert (run.record.method, run.record.protocol, run.record.status) == ("lora", "released", "completed")
