"""`log.txt`: what a run says and what it is warned of, with times, appended and escaped."""

import logging
import re
import warnings

import pytest

from frod_bench.console import say
from frod_bench.record.run_log import RunLog


@pytest.fixture
def log(tmp_path):
    return RunLog(tmp_path / "log.txt")


def test_lines_wait_for_the_start_and_have_times(log):
    log.line("first")
    assert not log.file.exists()
    log.start()
    log.line("second\nand its end")
    first, second, end = log.file.read_text().splitlines()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d first", first)
    assert second.endswith(" second") and end == "    and its end"


def test_what_is_said_is_printed_and_logged_inside_the_block_only(log, capsys):
    log.start()
    with log.listening():
        say("inside")
    say("outside")
    assert capsys.readouterr().out == "inside\noutside\n"
    assert "inside" in log.file.read_text() and "outside" not in log.file.read_text()


def test_warnings_are_shown_and_logged(log, capsys):
    log.start()
    apart = logging.getLogger("a_library_apart")
    apart.propagate = False
    with warnings.catch_warnings(record=True) as shown, log.listening():
        warnings.simplefilter("always")
        warnings.warn("an odd value", UserWarning, stacklevel=1)
        logging.getLogger("a_library").warning("an odd file")
        logging.getLogger("a_library").info("nothing odd")
        apart.error("an odd %s", "machine")
    assert [str(each.message) for each in shown] in ([], ["an odd value"])  # pytest's own catcher may be outside
    text = log.file.read_text()
    assert "UserWarning: an odd value" in text
    assert "WARNING a_library: an odd file" in text
    assert "ERROR a_library_apart: an odd machine" in text
    assert "nothing odd" not in text
    assert not [handler for handler in apart.handlers if type(handler).__name__ == "_Noted"]


def test_secrets_and_control_characters_do_not_reach_the_file(log, monkeypatch):
    monkeypatch.setenv("SOME_API_KEY", "0123456789abcdef")
    log.start()
    log.line("the key 0123456789abcdef \x1b[31m red \ud800")
    text = log.file.read_text()
    assert "0123456789abcdef" not in text and "\x1b" not in text and "\\u001b[31m" in text


def test_a_link_is_not_followed_and_ends_no_run(log, tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    log.file.symlink_to(tmp_path / "thesis.tex")
    log.start()
    log.line("a line")
    assert (tmp_path / "thesis.tex").read_text() == "mine"


def test_it_is_appended_to(log):
    for text in ("one", "two"):
        again = RunLog(log.file)
        again.start()
        again.line(text)
    assert [line.rpartition(" ")[2] for line in log.file.read_text().splitlines()] == ["one", "two"]
