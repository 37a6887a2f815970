"""`README.md` of a run: what a person who opens the folder needs."""

import pytest

from frod_bench.record import RunDirectory


def test_it_says_what_was_typed_and_how_to_go_on(smoke, tmp_path):
    words = ["method=lora", "task=glue/rte", "out=a folder"]
    assert smoke(*words)[0] == 0
    run = RunDirectory(tmp_path / "a folder")
    page, score = run.readme.read_text(), run.read_record().selected["value"]
    assert page.startswith("# lora on glue/rte, tiny_roberta, seed 0\n")
    assert f"**{score:.4f}** on 32 evaluation rows, after epoch 1" in page
    assert "frod-bench profile=smoke train.epochs=1 data.max_train=16 method=lora task=glue/rte 'out=a folder'" in page
    assert "frod-bench predict 'a folder' ROWS" in page and "load_run('a folder')" in page
    assert "made-up rows" in page


def test_a_trial_has_a_score_on_held_out_rows(smoke, tmp_path):
    assert smoke("method=lora", "out=run", "selection=holdout", "evaluation=never")[0] == 0
    assert "on held-out training rows" in RunDirectory("run").readme.read_text()


@pytest.mark.parametrize("status", ["interrupted", "failed"])
def test_a_run_that_has_no_score_has_no_page(smoke, monkeypatch, status):
    def stop(*_):
        raise KeyboardInterrupt if status == "interrupted" else RuntimeError

    monkeypatch.setattr("frod_bench.train.trainer.Trainer.evaluate", stop)
    assert smoke("method=lora", "out=run")[0] in (1, 130)
    run = RunDirectory("run")
    assert run.read_record().status == status
    assert not run.readme.exists()
