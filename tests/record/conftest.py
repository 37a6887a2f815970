import pytest

from frod_bench.record import RunDirectory, RunRecord


@pytest.fixture
def record() -> RunRecord:
    score = {"value": 0.812, "epoch": 2, "metrics": {"accuracy": 0.812, "f1": 0.83}}
    return RunRecord(
        method="frod",
        task="glue/mrpc",
        backbone="minilm",
        profile="offline",
        protocol="released",
        selection="best_on_eval",
        seed=0,
        identity="0123456789abcdef",
        metric={"name": "accuracy", "higher_is_better": True},
        status="completed",
        best=score,
        final=score | {"epoch": 3},
        params={"trainable": 184_330, "head": 770, "total": 22_897_546, "pct_of_backbone": 0.81},
        samples={"train": 3668, "eval": 408},
        time={"init_s": 1.5, "train_s": 240.0, "eval_s": 6.2},
        memory={"peak_bytes": 740_000_000, "kind": "rss"},
        environment={"packages": {"torch": "2.15.0"}, "device": "cpu", "commit": None, "dirty": None},
        data={"source": "packaged", "fingerprint": "sha256:00"},
        initialisation={"reconstruction_error": 3e-7},
    )


@pytest.fixture
def store():
    """Return what makes a run: its directory, with metrics of so many epochs and the record."""

    def make(path, record: RunRecord, epochs: int = 1) -> RunDirectory:
        directory = RunDirectory(path)
        directory.claim(record.identity, "seed: 0\n")
        directory.write_metrics([{"epoch": epoch} for epoch in range(1, epochs + 1)])
        directory.write_record(record)
        return directory

    return make
