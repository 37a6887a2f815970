"""`frod-bench retention --text`: perplexity as the library's own loss has it, of runs with the head of the base."""

import math

import pytest
import torch

from frod_bench.errors import RequestError
from frod_bench.record.perplexity_record import read_perplexity

LM = ("task=commonsense/openbookqa", "protocol=paper", "data.max_eval=4", "text.max_length=400")
TEXTS = ("data.max_eval=6", "text.max_length=60")


@pytest.fixture
def trained(made):
    """Return a function that trains with the words and returns the folder above all runs."""
    return lambda *words: str(made("profile=smoke", "train.epochs=1", "data.max_train=16", *words))


def test_perplexity_is_that_of_the_models_own_loss(trained, bench, tmp_path):
    trained(*LM, "method=lora", "train.lr.adapter=0.0")
    folder = trained(*LM, "method=frod", "train.lr.diag=0.3", "train.lr.sparse=0.3")
    code, out, err = bench("retention", folder, "--text", "--to", "kept", *TEXTS)
    assert code == 0, err
    record = read_perplexity(tmp_path / "kept/perplexity.json")
    found = {result["method"]: result for result in record.results}
    assert found["lora"]["perplexity"] == record.base and found["lora"]["change"] == found["lora"]["error"] == 0

    from frod_bench.runs.trained import TrainedRun
    from frod_bench.tasks.passages import read_passages
    from frod_bench.tasks.sources.generated import GeneratedSource

    (place,) = (tmp_path / "outputs").rglob("openbookqa/frod/seed*")
    run = TrainedRun(place)
    from frod_bench.grid.retention import other_task
    from frod_bench.runs.job import make_components

    components = make_components(other_task("commonsense/boolq", run.config, list(TEXTS)))
    texts = read_passages(components.task, GeneratedSource(), 6)
    assert len(set(texts)) == len(texts) == record.texts and record.max_length == 60
    model, tokenizer = run.adapted().merge().double().eval(), run.backbone.processor()
    total = tokens = 0
    for text in texts:
        ids = torch.tensor([tokenizer(text, truncation=True, max_length=60)["input_ids"]])
        with torch.no_grad():
            total += model(input_ids=ids, labels=ids).loss.item() * (ids.shape[1] - 1)
        tokens += ids.shape[1] - 1
    assert tokens == record.tokens
    assert found["frod"]["perplexity"] == pytest.approx(math.exp(total / tokens), rel=1e-4)
    assert found["frod"]["change"] == pytest.approx(math.log(found["frod"]["perplexity"] / record.base))
    assert f"{found['frod']['perplexity']:.3f}" in out and "Perplexity on running text" in out
    assert (tmp_path / "kept/perplexity.md").exists()

    code, again, _ = bench("retention", folder, "--text", "--to", "kept", *TEXTS)
    assert code == 0 and "tuned on" not in again.partition("Perplexity on")[0]
    assert read_perplexity(tmp_path / "kept/perplexity.json") == record


def test_runs_without_the_bases_head_are_left_out(trained, bench, tmp_path):
    folder = trained("task=commonsense/openbookqa", "method=lora", "data.max_eval=4")
    code, _, err = bench("retention", folder, "--text", "--to", "kept", *TEXTS)
    assert code == 2 and "a classifier replaced its language-model head" in err
    trained(*LM, "method=full_ft")
    code, _, err = bench("retention", folder, "--text", "--to", "kept", *TEXTS)
    assert code == 2 and "language-model head" in err
    trained(*LM, "method=vera")
    code, out, err = bench("retention", folder, "--text", "--to", "kept", *TEXTS)
    assert code == 0, err
    record = read_perplexity(tmp_path / "kept/perplexity.json")
    assert [result["method"] for result in record.results] == ["vera"]
    assert sorted(left["method"] for left in record.excluded) == ["full_ft", "lora"]
    assert "Left out" in out and "training changed its language-model head" in out


def test_a_run_on_those_passages_is_refused(trained, bench):
    folder = trained("task=commonsense/boolq", "protocol=paper", "method=lora", "data.max_eval=4")
    code, _, err = bench("retention", folder, "--text", "--to", "kept")
    assert code == 2 and "itself" in err


def test_an_edited_record_is_refused(tmp_path):
    file = tmp_path / "perplexity.json"
    file.write_text("{}")
    with pytest.raises(RequestError):
        read_perplexity(file)
