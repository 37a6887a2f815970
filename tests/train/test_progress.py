import sys
import time

import pytest

from frod_bench.train.progress import Progress


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test sets; returns the list whose last entry is the time in seconds."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[-1])
    return now


def test_in_a_log_a_line_now_and_then_with_the_time_left(clock, capsys):
    progress = Progress(total=100, label="frod glue/rte")
    for _ in range(10):
        clock.append(clock[-1] + 7)
        progress.step(loss=0.5)
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "frod glue/rte: step 5/100, about 665 s left",
        "frod glue/rte: step 10/100, about 630 s left",
    ]


def test_what_was_done_before_an_interruption_does_not_count_as_speed(clock, capsys):
    progress = Progress(total=100, label="run", done=90)
    clock.append(31.0)
    progress.step()
    assert capsys.readouterr().out == "run: step 91/100, about 279 s left\n"


def test_quiet_says_nothing(clock, capsys):
    progress = Progress(total=2, label="run", quiet=True)
    clock.append(99.0)
    progress.step()
    progress.say("a line")
    progress.close()
    assert capsys.readouterr() == ("", "")


def test_on_a_terminal_a_bar_that_lines_do_not_break(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    progress = Progress(total=2, label="run")
    progress.step(0.25)
    progress.say("epoch 1")
    progress.step(0.25)
    progress.close()
    out, err = capsys.readouterr()
    assert out == "epoch 1\n"
    assert "run:" in err
