"""The line of an epoch keeps its columns and their order whatever a method adds."""

from frod_bench.record.epoch import EpochMetrics

AFTER_EVAL = ["epoch", "step", "train_loss", "eval", "tan_alpha"]
AFTER_LR = ["seconds", "diagnostics_s", "data_wait", "samples_per_second", "flops", "peak_memory_bytes"]


def epoch_metrics(**method):
    return EpochMetrics(
        epoch=2,
        step=10,
        train_loss=0.12345,
        eval={"f1": 0.9, "accuracy": 0.875},
        lr={"diag": 0.02, "head": 0.001},
        seconds=3.21,
        diagnostics_s=0.1,
        data_wait=0.0,
        samples_per_second=123.4,
        flops=7,
        peak_memory_bytes=2**30,
        method=method,
    )


def test_a_method_without_columns_leaves_the_ones_that_reports_read_null():
    line = epoch_metrics().as_line()
    assert list(line) == [*AFTER_EVAL, "lr", "lr_ratio", *AFTER_LR]
    assert line["tan_alpha"] is line["lr_ratio"] is None
    assert line["lr"] == {"diag": 0.02, "head": 0.001}


def test_columns_of_a_method_follow_the_scores_and_its_lr_ratio_the_rates():
    line = epoch_metrics(cosine=0.5, tan_alpha={"mean": 1.0}, lr_ratio=2.0, mine="x").as_line()
    assert list(line) == [*AFTER_EVAL, "cosine", "mine", "lr", "lr_ratio", *AFTER_LR]
    assert (line["tan_alpha"], line["cosine"], line["lr_ratio"]) == ({"mean": 1.0}, 0.5, 2.0)


def test_the_printed_line_has_what_a_reader_wants():
    text = epoch_metrics().in_words("accuracy", 5, ["tan alpha 0.5 [0.25, 1]"])
    assert text.startswith("epoch 2/5  loss 0.1235  accuracy 0.8750  f1 0.9000  tan alpha 0.5 [0.25, 1]  lr diag 0.02")
    assert text.endswith("123 samples/s  1024 MiB  3.2 s")
