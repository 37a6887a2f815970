"""Files of a clone at a commit, and what is read in scripts."""

import pytest

from frod_bench.audit import scripts
from frod_bench.audit.evidence import Missing
from frod_bench.audit.release import Source
from frod_bench.errors import RequestError

SCRIPT = """
n = 5
def main(method):
    if method.lower() == "Frod":
        optimizer = A([{"params": [p for n, p in model.named_parameters() if "lambda" in n]}])
    elif method == "vera":
        optimizer = A([{"params": [p for n, p in m.named_parameters() if "head" in n]}])
    elif method == "lora":
        print("x")
    for epoch in range(n):
        if metric > best_metric:
            model.save_pretrained("x")
"""


def test_files_of_a_commit(evidence, clone):
    clone("GOAT-PEFT", ef4d21a={"a/b.txt": "one\ntwo\n"})
    release = evidence.release("GOAT-PEFT")
    source = release.source("a/b.txt")
    assert source.text == "one\ntwo\n" and source.line_of("two") == 2 and source.line_of("three") == 0
    assert source.at(2, 1) == "a/b.txt:1,2 (ef4d21a)" and release.files("a") == ["a/b.txt"]
    with pytest.raises(RequestError, match="no full clone"):
        release.source("a/c.txt")


def test_a_clone_that_is_not_there(evidence):
    with pytest.raises(Missing) as missing:
        evidence.release("AAAI2026-FRoD")
    assert (
        missing.value.command == f"git clone https://github.com/Bane-Elvin/AAAI2026-FRoD {evidence.code}/AAAI2026-FRoD"
    )


def test_scripts_are_read_as_trees():
    source = Source("x.py", "abc", SCRIPT)
    assert scripts.epochs(source) == (5, 10)
    branches = scripts.optimizer_branches(source)
    assert {word: scripts.filters(branch) for word, branch in branches.items()} == {
        "Frod": [("lambda", 5)],
        "vera": [("head", 7)],
    }
    assert set(scripts.method_words(source, "main")) == {"Frod", "vera", "lora"}
    assert [node.lineno for node in scripts.never_true(source)] == [4]
    assert scripts.keeps_best(source).lineno == 11
    assert scripts.keeps_best(Source("x.py", "abc", SCRIPT.replace(">", "<"))) is None
    with pytest.raises(RequestError, match="no function other"):
        source.function("other")
