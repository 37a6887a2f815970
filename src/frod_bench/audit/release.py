"""Files of released code at fixed commits, read from a clone that is not trusted.

A commit is named by its full hash, and every object on the way from it to a file is hashed again, so a branch of that
name, a replaced object or an altered file cannot get in. Git runs in an empty repository of ours that borrows the
clone's objects, so no configuration, hook, remote or filter of the clone is ever read.
"""

import ast
import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha1
from pathlib import Path
from types import MappingProxyType

from frod_bench.errors import RequestError

_FILE_MODES = ("100644", "100755")
_TIMEOUT_S = 60  # for one object
_SHORT = 7  # digits of a commit in messages
_GIT = {  # no configuration of the user or the machine, no network
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_ALLOW_PROTOCOL": "",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "LC_ALL": "C",
}


@dataclass(frozen=True)
class Source:
    """One Python or text file of a commit."""

    path: str
    commit: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    def at(self, *lines: ast.stmt | ast.expr | int) -> str:
        """Return file, commit and lines, e.g. `train.py:65 (cab87b0)`."""
        numbers = sorted({line if isinstance(line, int) else line.lineno for line in lines})
        return f"{self.path}:{','.join(map(str, numbers))} ({self.commit[:_SHORT]})"

    def line_of(self, words: str) -> int:
        """Return the number of the first line that contains `words`, 0 if none does."""
        return next((number for number, line in enumerate(self.text.splitlines(), 1) if words in line), 0)

    def function(self, name: str) -> ast.FunctionDef:
        """Return a function by name. Raises RequestError when there is none."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef) and node.name == name:
                return node
        raise RequestError(f"{self.path} of commit {self.commit[:_SHORT]} has no function {name}.")


@dataclass(frozen=True)
class Release:
    """A clone. `commits` maps our names of the commits that the claims are about to their full hashes."""

    path: Path
    commits: MappingProxyType[str, str]
    url: str
    _read: dict[str, bytes] = field(default_factory=dict, repr=False)

    def short(self, commit: str = "head") -> str:
        """Return the first digits of a commit."""
        return self.commits[commit][:_SHORT]

    def source(self, path: str, commit: str = "head") -> Source:
        """Return a file of a commit. Raises RequestError when the clone does not hold it."""
        return Source(path, self.commits[commit], self.blob(path, commit).decode("utf-8"))

    def blob(self, path: str, commit: str = "head") -> bytes:
        """Return the bytes of a file of a commit. Raises RequestError when the clone does not hold it."""
        entry = self._tree(commit)
        *folders, name = path.split("/")
        for folder in folders:
            entry = self._entries(self._entry(entry, folder, path, ("40000",)))
        return self._object(self._entry(entry, name, path, _FILE_MODES), "blob")

    def files(self, folder: str = "", commit: str = "head") -> list[str]:
        """Return the paths of all files below a folder of a commit, [] if there is no such folder."""
        entries = self._tree(commit)
        for name in filter(None, folder.split("/")):
            mode, key = entries.get(name, ("", ""))
            if mode != "40000":
                return []
            entries = self._entries(key)
        return list(self._below(entries, folder))

    def _below(self, entries: dict[str, tuple[str, str]], folder: str) -> Iterator[str]:
        for name, (mode, key) in entries.items():
            path = f"{folder}/{name}".lstrip("/")
            if mode == "40000":
                yield from self._below(self._entries(key), path)
            elif mode in _FILE_MODES:
                yield path

    def _tree(self, commit: str) -> dict[str, tuple[str, str]]:
        first = self._object(self.commits[commit], "commit").split(b"\n", 1)[0].decode("ascii", "replace")
        return self._entries(first.removeprefix("tree "))

    def _entry(self, entries: dict[str, tuple[str, str]], name: str, path: str, modes: tuple[str, ...]) -> str:
        mode, key = entries.get(name, ("", ""))
        if mode not in modes:
            raise RequestError(f"{self.path} is no full clone of {self.url}: it has no file {path}.")
        return key

    def _entries(self, key: str) -> dict[str, tuple[str, str]]:
        """Return mode and hash of every entry of a tree, by name."""
        content, found = self._object(key, "tree"), {}
        while content:
            head, _, content = content.partition(b"\0")
            mode, _, name = head.decode("utf-8", "replace").partition(" ")
            found[name], content = (mode, content[:20].hex()), content[20:]
        return found

    def _object(self, key: str, kind: str) -> bytes:
        """Return an object, verified against its hash."""
        if key not in self._read:
            self._read[key] = self._fetch(key, kind)
        return self._read[key]

    def _fetch(self, key: str, kind: str) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            empty = Path(folder)
            for name in ("objects", "refs"):
                (empty / name).mkdir()
            (empty / "HEAD").write_text("ref: refs/heads/none\n", encoding="ascii")
            environment = _GIT | {"PATH": os.environ.get("PATH", os.defpath), "HOME": folder}
            environment |= {"GIT_DIR": folder, "GIT_OBJECT_DIRECTORY": str(self._objects)}
            words = ["git", "cat-file", kind, key]
            try:
                done = subprocess.run(
                    words, capture_output=True, check=False, cwd=folder, env=environment, timeout=_TIMEOUT_S
                )
            except (OSError, subprocess.TimeoutExpired) as error:
                raise RequestError(f"git could not read {self.path}: {error}.") from error
        if done.returncode:
            reason = " ".join(done.stderr.decode("utf-8", "replace").split())
            raise RequestError(f"{self.path} is no full clone of {self.url}: {reason}")
        if sha1(f"{kind} {len(done.stdout)}\0".encode() + done.stdout, usedforsecurity=False).hexdigest() != key:
            raise RequestError(f"{self.path} is not what it says: its object {key} has another content. Clone it anew.")
        return done.stdout

    @property
    def _objects(self) -> Path:
        """The object folder of a clone with or without a work tree."""
        for folder in (self.path / ".git" / "objects", self.path / "objects"):
            if folder.is_dir():
                return folder.resolve()
        raise RequestError(f"{self.path} is no clone of {self.url}. Type: git clone {self.url} {self.path}")


@dataclass(frozen=True)
class PinnedRelease:
    """Where a release is published, and the commits of it that we read."""

    url: str
    commits: MappingProxyType[str, str]


# `first` is the release at publication, `head` the newest commit that we read.
RELEASES = {
    "AAAI2026-FRoD": PinnedRelease(
        "https://github.com/Bane-Elvin/AAAI2026-FRoD",
        MappingProxyType(
            {
                "first": "5158cf29ad0b34672bf5b6d28a43a481b7b8cda6",
                "head": "cab87b010693b623f0125f143050ad4a528d9492",
            }
        ),
    ),
    "GOAT-PEFT": PinnedRelease(
        "https://github.com/Facico/GOAT-PEFT",
        MappingProxyType({"head": "ef4d21a41682bcf3b808f9273ace16cccfc7c648"}),
    ),
}
