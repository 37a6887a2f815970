"""`frod-bench plan`."""

import torch

from frod_bench.cli.quantities import number


def test_a_column_without_data_is_named_and_not_counted(bench):
    options = ("--profile", "offline", "--methods", "lora", "--seeds", "0")
    code, out, _ = bench("plan", "4", *options, "--tasks", "qqp,rte")
    assert code == 0
    assert "1 of 1 runs missing" in out and "QQP is left out, as it has no data here: nyu-mll/glue/qqp" in out
    code, _, err = bench("plan", "4", *options, "--tasks", "qqp")
    assert code == 2 and "data.root=DIR" in err


def test_a_plan_for_another_gpu_warns_of_what_does_not_fit(bench):
    code, out, err = bench(
        "plan", "3", "--gpu", "h100", "--methods", "full_ft,frod", "--tasks", "boolq", "--seeds", "0"
    )
    assert (code, err) == (0, "")
    assert "2 of 2 runs missing" in out
    assert "kWh" in out
    assert "warning: Full FT needs about" in out
    assert "FRoD(s=0.02) needs" not in out
    assert bench("plan", "3", "--gpu", "h1000")[0] == 2


def test_a_plan_takes_the_rate_of_runs_that_are_done(bench, tmp_path):
    threads = torch.get_num_threads()
    options = ("--profile", "smoke", "--methods", "lora", "--tasks", "rte,mrpc", "--seeds", "0")
    code, before, _ = bench("plan", "4", *options)
    assert code == 0
    assert "2 of 2 runs missing" in before
    assert f"cpu, {threads} threads" in before
    assert bench("profile=smoke", "method=lora", "task=glue/rte", "seed=0")[0] == 0
    code, after, _ = bench("plan", "4", *options)
    assert "1 of 2 runs missing" in after
    assert "an earlier run" in after
    assert next(line for line in after.splitlines() if " RTE " in line).split()[2:4] == ["1", "0"]


def test_numbers_are_printed_without_powers_of_ten():
    found = [number(value) for value in (0.0, 9e-5, 0.0123, 2.5, 123.4, 39_612.0)]
    assert found == ["0", "<0.001", "0.0123", "2.5", "123", "39,612"]


def test_merges_are_planned_with_the_runs_that_they_need(bench):
    words = ("plan", "merge", "--profile", "smoke", "--methods", "lora,frod", "--tasks", "glue/rte,glue/cola")
    code, out, err = bench(*words, "--seeds", "0,1", "--how", "ties,dare", "--draws", "3")
    assert code == 0, err
    assert "8 of 8 runs missing" in out.splitlines()[0]
    # two methods and seeds: ties scores two tasks once, dare three times
    assert out.splitlines()[1].startswith("Then 8 merges: models score the rows of a task 32 times")
    rows = [line.split()[:4] for line in out.splitlines() if line.startswith(("lora ", "frod ")) and "glue" not in line]
    times = (("ties", "4"), ("dare", "12"))
    assert rows == [[method, how, "2", scored] for method in ("lora", "frod") for how, scored in times]


def test_a_run_that_another_makes_first_is_planned_too(bench):
    words = ("--methods", "LoRI-S", "--tasks", "glue/rte", "--seeds", "0,1")
    code, out, err = bench("plan", "methods", "--profile", "smoke", *words)
    assert code == 0, err
    assert "4 of 4 runs missing" in out.splitlines()[0]
    assert next(line for line in out.splitlines() if "first stage" in line).startswith("LoRI-S, first stage")
    code, out, _ = bench("plan", "methods", "--profile", "smoke", *words, "--methods", "LoRI-D,LoRI-S")
    assert "4 of 4 runs missing" in out.splitlines()[0]  # LoRI-D is that run


def test_a_plan_of_merges_refuses_what_merges_refuse(bench):
    words = ("plan", "merge", "--profile", "smoke", "--methods", "lora", "--tasks", "glue/rte,glue/cola")
    for more, message in (
        ((), "ways to merge"),
        (("--how", "tie"), "--how tie"),
        (("--how", "ties", "--scales", "0.1,0.2"), "selection=holdout"),
        (("--how", "ties", "--draws", "0"), "--draws 0"),
        (("--how", "average,lori_linear", "--methods", "lora,frod"), "lori_linear is not accepted for frod"),
    ):
        code, _, err = bench(*words, *more)
        assert code == 2 and message in err
    assert bench("plan", "merge", "--profile", "smoke", "--how", "ties")[0] == 2
