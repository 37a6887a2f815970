import subprocess
import sys

import pytest

from frod_bench.console import say

TALK = "from frod_bench.console import *; say(1); say(2); discard_unprinted(); say(3, sys.stderr)"


def test_a_line_is_printed_at_once(capsys):
    say("one")
    say("two", sys.stderr)
    assert capsys.readouterr() == ("one\n", "two\n")


@pytest.mark.parametrize("gone", ["full", "closed"])
def test_nobody_to_hear_it_is_no_error(gone):
    with open("/dev/full", "w") as full:
        stdout = full if gone == "full" else subprocess.PIPE
        talk = subprocess.Popen(
            [sys.executable, "-c", f"import sys; sys.stdin.read(); {TALK}"],
            stdin=subprocess.PIPE,
            stdout=stdout,
            stderr=subprocess.PIPE,
        )
        if gone == "closed":
            talk.stdout.close()
            talk.stdout = None
        assert talk.communicate()[1] == b"3\n"
    assert talk.returncode == 0
