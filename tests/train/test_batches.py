import random
from math import ceil

import pytest

from frod_bench.train.batches import chunks, plan_epoch

LENGTHS = [random.Random(row).randint(5, 120) for row in range(1003)]


def rows_of(plan):
    return [row for step in plan for micro in step for row in micro]


def padding(plan):
    """Pad tokens of an epoch when every batch is padded to its longest row."""
    batches = [[LENGTHS[row] for micro in step for row in micro] for step in plan]
    return sum(max(batch) * len(batch) - sum(batch) for batch in batches)


@pytest.mark.parametrize("group_by_length", [False, True])
@pytest.mark.parametrize(("batch_size", "micro_batches"), [(1, 1), (16, 1), (16, 3), (16, 16), (2000, 4)])
def test_every_row_occurs_once(batch_size, micro_batches, group_by_length):
    plan = plan_epoch(LENGTHS, batch_size, micro_batches, seed=0, epoch=0, group_by_length=group_by_length)
    assert sorted(rows_of(plan)) == list(range(len(LENGTHS)))
    assert len(plan) == -(-len(LENGTHS) // batch_size)


def test_a_step_is_cut_into_parts_of_about_one_size():
    plan = plan_epoch([1] * 26, 10, 4, seed=0, epoch=0, group_by_length=False)
    assert [[len(micro) for micro in step] for step in plan] == [[3, 3, 3, 1], [3, 3, 3, 1], [3, 3]]


@pytest.mark.parametrize("rows", [7330, 3384, 19440, 23976, 17010, 17865, 68257, 256, 257, 512, 1024])
def test_half_a_batch_is_what_transformers_trainer_makes_no_step_of(rows):
    """64 rows on each of four GPUs, two micro-batches a step: the Trainer counts len(dataloader) // 2, at least 1."""
    on_each = ceil(ceil(rows / 64) / 4)
    plan = plan_epoch([1] * rows, 512, 1, seed=0, epoch=0, group_by_length=False, last_batch=0.5)
    assert len(plan) == max(on_each // 2, 1)
    assert len(set(rows_of(plan))) == len(rows_of(plan)) >= min(rows, 512 * len(plan) - 255)


def test_so_small_a_rest_is_left_out_wherever_it_would_stand():
    rests = [plan_epoch(LENGTHS, 100, 1, 0, epoch, group_by_length=True, last_batch=0.5) for epoch in range(3)]
    assert [{len(rows_of([step])) for step in plan} for plan in rests] == [{100}] * 3


@pytest.mark.parametrize("group_by_length", [False, True])
def test_accumulation_does_not_change_which_rows_make_a_step(group_by_length):
    whole, cut = (plan_epoch(LENGTHS, 32, a, 1, 2, group_by_length) for a in (1, 4))
    assert [rows_of([step]) for step in whole] == [rows_of([step]) for step in cut]


@pytest.mark.parametrize("group_by_length", [False, True])
def test_the_plan_is_a_function_of_seed_and_epoch(group_by_length):
    plans = [plan_epoch(LENGTHS, 16, 1, s, e, group_by_length) for s, e in [(0, 0), (0, 0), (1, 0), (0, 1)]]
    assert plans[0] == plans[1]
    assert plans[0] != plans[2]
    assert plans[0] != plans[3]
    assert plans[2] != plans[3]


def test_grouping_by_length_spares_most_of_the_padding():
    grouped, plain = (plan_epoch(LENGTHS, 16, 1, 0, 0, group) for group in (True, False))
    assert padding(grouped) < 0.2 * padding(plain)


def test_grouped_batches_do_not_come_in_order_of_length():
    plan = plan_epoch(LENGTHS, 16, 1, 0, 0, group_by_length=True)
    longest = [max(LENGTHS[row] for row in rows_of([step])) for step in plan]
    assert longest != sorted(longest)
    assert longest != sorted(longest, reverse=True)


def test_chunks_keep_the_order():
    assert list(chunks(range(7), 3)) == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(chunks([], 3)) == []
