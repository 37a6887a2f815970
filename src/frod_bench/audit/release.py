"""Clones of released code at fixed commits: text, syntax tree, and where something stands in it."""

import ast
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

from frod_bench.errors import RequestError


@dataclass(frozen=True)
class Source:
    """One Python or text file of a commit."""

    path: str
    commit: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    def at(self, *lines: ast.AST | int) -> str:
        """Return file, commit and lines, e.g. `train.py:65 (cab87b0)`."""
        numbers = sorted({line if isinstance(line, int) else line.lineno for line in lines})
        return f"{self.path}:{','.join(map(str, numbers))} ({self.commit})"

    def line_of(self, words: str) -> int:
        """Return the number of the first line that holds `words`, 0 without one."""
        return next((number for number, line in enumerate(self.text.splitlines(), 1) if words in line), 0)

    def function(self, name: str) -> ast.FunctionDef:
        """Return a function by name. Raises RequestError when there is none."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef) and node.name == name:
                return node
        raise RequestError(f"{self.path} of commit {self.commit} has no function {name}.")


@dataclass(frozen=True)
class Release:
    """A clone. `commits` are those that the claims speak of, by a name of ours."""

    path: Path
    commits: MappingProxyType[str, str]
    url: str

    def source(self, path: str, commit: str = "head") -> Source:
        """Return a file of a commit. Raises RequestError when the clone does not hold it."""
        revision = self.commits[commit]
        return Source(path, revision, self.blob(path, commit).decode("utf-8"))

    def blob(self, path: str, commit: str = "head") -> bytes:
        """Return the bytes of a file of a commit."""
        return self._git("show", f"{self.commits[commit]}:{path}")

    def files(self, folder: str = "", commit: str = "head") -> list[str]:
        """Return the paths of all files of a commit below a folder."""
        names = self._git("ls-tree", "-r", "--name-only", self.commits[commit], "--", folder or ".")
        return names.decode("utf-8").splitlines()

    def _git(self, *words: str) -> bytes:
        done = subprocess.run(["git", "-C", str(self.path), *words], capture_output=True, check=False)
        if done.returncode:
            reason = " ".join(done.stderr.decode("utf-8", "replace").split())
            raise RequestError(f"{self.path} is no full clone of {self.url}: {reason}")
        return done.stdout


@dataclass(frozen=True)
class _Known:
    url: str
    commits: MappingProxyType[str, str]


# `first` is the release at publication, `head` the newest one that was read.
RELEASES = {
    "AAAI2026-FRoD": _Known(
        "https://github.com/Bane-Elvin/AAAI2026-FRoD", MappingProxyType({"first": "5158cf2", "head": "cab87b0"})
    ),
    "GOAT-PEFT": _Known("https://github.com/Facico/GOAT-PEFT", MappingProxyType({"head": "ef4d21a"})),
}
