"""Files of a clone at a commit, and what is read in scripts."""

import re
import subprocess
import zlib
from types import MappingProxyType

import pytest

from frod_bench.audit import scripts
from frod_bench.audit.evidence import MissingEvidence
from frod_bench.audit.release import RELEASES, Release, Source
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
    clone("GOAT-PEFT", head={"a/b.txt": "one\ntwo\n"})
    release = evidence.release("GOAT-PEFT")
    source = release.source("a/b.txt")
    assert source.text == "one\ntwo\n" and source.line_of("two") == 2 and source.line_of("three") == 0
    assert source.at(2, 1) == f"a/b.txt:1,2 ({release.short()})" and release.files("a") == ["a/b.txt"]
    with pytest.raises(RequestError, match="no full clone"):
        release.source("a/c.txt")


def test_a_clone_that_is_not_there(evidence):
    with pytest.raises(MissingEvidence) as missing:
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
    assert scripts.saves_best_epoch(source).lineno == 11
    assert scripts.saves_best_epoch(Source("x.py", "abc", SCRIPT.replace(">", "<"))) is None
    with pytest.raises(RequestError, match="no function other"):
        source.function("other")


def run_git(folder, *words):
    git = ["git", "-C", str(folder), "-c", "user.name=x", "-c", "user.email=x@x"]
    return subprocess.run([*git, *words], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def cloned(evidence, clone):
    """A clone with one file, its folder."""
    clone("GOAT-PEFT", head={"a.txt": "the release\n"})
    return evidence.code / "GOAT-PEFT"


def test_all_known_commits_are_full_hashes():
    commits = [commit for known in RELEASES.values() for commit in known.commits.values()]
    assert commits and all(re.fullmatch(r"[0-9a-f]{40}", commit) for commit in commits)


@pytest.mark.parametrize("name", ["full", "short"])
def test_a_branch_that_bears_the_name_of_a_commit_is_not_taken(evidence, cloned, name):
    wanted = RELEASES["GOAT-PEFT"].commits["head"]
    (cloned / "a.txt").write_text("another text\n")
    run_git(cloned, "commit", "-qam", "x")
    branch = wanted if name == "full" else wanted[:7]
    (cloned / ".git" / "refs" / "heads" / branch).write_text(run_git(cloned, "rev-parse", "HEAD") + "\n")
    assert evidence.release("GOAT-PEFT").source("a.txt").text == "the release\n"


def test_an_object_with_another_content_is_refused(evidence, cloned):
    key = run_git(cloned, "rev-parse", "HEAD:a.txt")
    loose = cloned / ".git" / "objects" / key[:2] / key[2:]
    loose.chmod(0o644)
    loose.write_bytes(zlib.compress(b"blob 6\0forged"))
    with pytest.raises(RequestError, match="another content"):
        evidence.release("GOAT-PEFT").source("a.txt")


def test_a_replaced_object_is_not_taken(evidence, cloned):
    forged = subprocess.run(
        ["git", "-C", str(cloned), "hash-object", "-w", "--stdin"], input=b"forged", capture_output=True, check=True
    ).stdout.decode()
    run_git(cloned, "replace", run_git(cloned, "rev-parse", "HEAD:a.txt"), forged.strip())
    assert evidence.release("GOAT-PEFT").source("a.txt").text == "the release\n"


HOSTILE = {
    "core.fsmonitor": "{trap}",
    "core.pager": "{trap}",
    "core.sshCommand": "{trap}",
    "core.alternateRefsCommand": "{trap}",
    "core.hooksPath": "{hooks}",
    "diff.external": "{trap}",
    "filter.x.smudge": "{trap}",
    "diff.x.textconv": "{trap}",
    "include.path": "{hooks}/included",
}


def test_the_configuration_of_a_clone_runs_nothing(evidence, cloned, tmp_path, monkeypatch):
    """With a missing object, too: a partial clone would fetch it from a remote whose upload-pack is a command."""
    sprung, trap = tmp_path / "sprung", tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {sprung}\n")
    trap.chmod(0o755)
    for key, value in HOSTILE.items():
        run_git(cloned, "config", key, value.format(trap=trap, hooks=tmp_path))
    for key, value in {
        "core.repositoryformatversion": "1",
        "extensions.partialClone": "origin",
        "remote.origin.url": f"ext::{trap}",
        "remote.origin.promisor": "true",
        "remote.origin.uploadpack": str(trap),
        "remote.origin.partialclonefilter": "blob:none",
        "protocol.ext.allow": "always",
    }.items():
        run_git(cloned, "config", key, value)
    (cloned / ".gitattributes").write_text("* filter=x diff=x\n")
    users = tmp_path / "gitconfig"
    users.write_text(f"[core]\n\tfsmonitor = {trap}\n\tpager = {trap}\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(users))
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", str(trap))
    sprung.unlink(missing_ok=True)
    release = evidence.release("GOAT-PEFT")
    assert release.files() == ["a.txt"] and release.source("a.txt").text == "the release\n"
    key = run_git(cloned, "-c", "core.fsmonitor=false", "rev-parse", "HEAD:a.txt")
    sprung.unlink(missing_ok=True)
    (cloned / ".git" / "objects" / key[:2] / key[2:]).unlink()
    with pytest.raises(RequestError, match="no full clone"):
        evidence.release("GOAT-PEFT").source("a.txt")
    assert not sprung.exists()


def test_links_and_folders_are_no_files(evidence, cloned):
    (cloned / "link").symlink_to("/etc/passwd")
    (cloned / "folder").mkdir()
    (cloned / "folder" / "b").write_text("b")
    run_git(cloned, "add", "-A")
    run_git(cloned, "commit", "-qm", "x")
    head = run_git(cloned, "rev-parse", "HEAD")
    release = Release(cloned, MappingProxyType({"head": head}), "url")
    assert release.files() == ["a.txt", "folder/b"] and release.files("none") == []
    for path in ("link", "folder", "a.txt/b", "../a.txt"):
        with pytest.raises(RequestError, match="no full clone"):
            release.blob(path)


def test_a_clone_without_a_work_tree(evidence, cloned, tmp_path):
    run_git(cloned, "clone", "-q", "--bare", str(cloned), str(tmp_path / "bare"))
    bare = Release(tmp_path / "bare", RELEASES["GOAT-PEFT"].commits, "url")
    assert bare.source("a.txt").text == "the release\n"
    with pytest.raises(RequestError, match=r"is no clone of url\. Type: git clone url"):
        Release(tmp_path, RELEASES["GOAT-PEFT"].commits, "url").source("a.txt")
