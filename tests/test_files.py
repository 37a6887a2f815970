"""What is written is whole or as it was; and nothing is written but by `frod_bench.files`, which a reader checks."""

import ast
import os
import resource
import signal
from pathlib import Path

import pytest

import frod_bench
from frod_bench.files import filling, replacing, save_text

PACKAGE = Path(frod_bench.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py")) + sorted((PACKAGE.parents[1] / "scripts").glob("*.py"))
WRITERS = {  # calls of these names make or fill a file
    *("write_text", "write_bytes", "savefig", "save_file", "save_model", "save_pretrained", "to_parquet", "to_csv"),
    *("write_table", "open_memmap", "savez", "savetxt", "tofile", "copy", "copy2", "copyfile", "copytree", "move"),
    *("NamedTemporaryFile", "mkstemp", "touch", "symlink_to", "hardlink_to", "FileHandler"),
}
WRITERS_OF = {("torch", "save"), ("np", "save"), ("json", "dump"), ("yaml", "dump"), ("yaml", "safe_dump")}
OURS = {"to_csv": 1, "copy": 0}  # of this many arguments or fewer they are no writer: ours, and a dict's
ELSEWHERE = {  # file: what writes in it, and why that is right
    "files.py": "the one writer",
    "locks.py": "made once, exclusively, and never replaced",
    "landscape/cache.py": "a surface grows line by line, and a line cut short counts as missing",
    "train/memory.py": "a switch of the kernel",
    "soak.py": "the log of a process that is to be killed",
    "rehearsal.py": "random weights in a new folder, which libraries write as released ones are",
    "audit/fork_process.py": "the answer goes into a pipe",
    "audit/release.py": "an empty repository in a folder that is deleted at once",
}


def writes(text: str) -> list[str]:
    """Return the calls of a source text that write a file and are not given what `replacing` or `filling` gave."""
    found = []

    def visit(node: ast.AST, given: frozenset[str]) -> None:
        if isinstance(node, ast.With):
            for item in node.items:
                visit(item.context_expr, given)
                if getattr(getattr(item.context_expr, "func", None), "id", None) in ("replacing", "filling"):
                    given |= {item.optional_vars.id}
                elif isinstance(item.optional_vars, ast.Name) and given & _names(item.context_expr):
                    given |= {item.optional_vars.id}  # what was opened of it
            for child in node.body:
                if isinstance(child, ast.Assign) and given & _names(child.value):  # what was made of it
                    given |= {target.id for target in child.targets if isinstance(target, ast.Name)}
                visit(child, given)
            return
        if isinstance(node, ast.Call) and _is_writer(node) and not given & _names(node):
            found.append(f"line {node.lineno}: {ast.unparse(node)[:60]}")
        for child in ast.iter_child_nodes(node):
            visit(child, given)

    visit(ast.parse(text), frozenset())
    return found


def _names(node: ast.AST) -> set[str]:
    return {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}


def _is_writer(call: ast.Call) -> bool:
    name = getattr(call.func, "attr", getattr(call.func, "id", None))
    owner = getattr(getattr(call.func, "value", None), "id", None)
    arguments = len(call.args) + len(call.keywords)
    if (owner, name) in WRITERS_OF:
        return name not in ("dump", "safe_dump") or len(call.args) > 1 or any(k.arg == "stream" for k in call.keywords)
    if name == "open" and owner == "os":
        return "devnull" not in ast.unparse(call) and any(flag in ast.unparse(call) for flag in ("WRONLY", "RDWR"))
    if name == "open":
        words = [argument.value for argument in [*call.args, *(k.value for k in call.keywords if k.arg == "mode")]
                 if isinstance(argument, ast.Constant) and isinstance(argument.value, str)]  # fmt: skip
        return any(set(word) <= set("rwaxbt+") and set(word) & set("wax+") for word in words)
    return name in WRITERS and owner != "copy" and arguments > OURS.get(name, -1)


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_nothing_is_written_but_by_the_one_writer(file):
    if not any(file.as_posix().endswith(f"/{name}") for name in ELSEWHERE):
        assert writes(file.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "line",
    [
        "file.write_text('x')",
        "figure.savefig(path, dpi=200)",
        "save_file(tensors, path)",
        "model.save_pretrained(folder)",
        "torch.save(state, path)",
        "json.dump(x, stream)",
        "open(path, 'w')",
        "file.open('a', encoding='utf-8')",
        "open(path, mode='xb')",
        "file.open('rb+')",
        "os.open(path, os.O_WRONLY | os.O_CREAT)",
        "pq.write_table(rows, path)",
        "shutil.copy(a, b)",
        "frame.to_csv(path, index=False)",
        "with replacing(file) as partial:\n    save_file(tensors, file)",
        "with replacing(file) as partial:\n    pass\nsave_file(tensors, partial)",
    ],
)
def test_what_writes_is_found(line):
    assert writes(line)


@pytest.mark.parametrize(
    "line",
    [
        "with replacing(file) as partial:\n    save_file(tensors, partial)",
        "with replacing(file) as partial, partial.open('w') as stream:\n    json.dump(x, stream)",
        "with filling(folder) as made:\n    model.save_pretrained(made)\n    (made / 'sum').write_text('x')",
        "with open(path, 'rb') as stream:\n    read(stream)",
        "file.open(newline='', encoding='utf-8')",
        "os.open(os.devnull, os.O_WRONLY)",
        "yaml.safe_dump(config, sort_keys=False)",
        "to_csv(summary)",
        "values.copy()",
    ],
)
def test_what_does_not_passes(line):
    assert writes(line) == []


def test_a_file_is_whole_or_as_it_was(tmp_path):
    file = tmp_path / "a.json"
    for text in ("one", "two"):
        with replacing(file) as partial:
            partial.write_text(text)
        assert file.read_text() == text
    with pytest.raises(KeyError), replacing(file) as partial:
        partial.write_text("half")
        raise KeyError
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]
    assert file.read_text() == "two"


def test_an_error_of_the_system_names_the_file(tmp_path):
    file = tmp_path / "a.json"
    save_text(file, "old")
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2, most))
    try:
        with pytest.raises(OSError) as raised:
            save_text(file, "longer")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    assert (raised.value.filename, raised.value.strerror) == (str(file), os.strerror(raised.value.errno))
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]
    assert file.read_text() == "old"


@pytest.mark.parametrize("dies_at", ["fsync", "replace"])
def test_a_process_that_is_killed_leaves_the_old_file(tmp_path, monkeypatch, dies_at):
    file = tmp_path / "a.json"
    save_text(file, "old")
    if (child := os.fork()) == 0:
        setattr(os, dies_at, lambda *arguments: os.kill(os.getpid(), signal.SIGKILL))
        save_text(file, "new")
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert file.read_text() == "old"
    save_text(file, "newer")
    assert file.read_text() == "newer"


@pytest.fixture(params=[0o022, 0o002, 0o077])
def mode(request):
    before = os.umask(request.param)
    yield 0o666 & ~request.param
    os.umask(before)


def private(file):
    """Write as a library does that makes a file of its own, for its owner alone, and moves it."""
    own = file.with_name("of a library")
    own.write_text("x")
    own.chmod(0o600)
    own.replace(file)


def test_the_umask_decides_who_may_read(tmp_path, mode):
    with replacing(tmp_path / "a") as partial:
        private(partial)
    with filling(tmp_path / "folder") as made:
        (made / "deeper").mkdir()
        for name in ("b", "deeper/c"):
            private(made / name)
    assert {file.stat().st_mode & 0o777 for file in tmp_path.rglob("*") if file.is_file()} == {mode}


def test_a_folder_is_filled_at_the_end(tmp_path):
    folder = tmp_path / "new/folder"
    with pytest.raises(KeyError), filling(folder) as made:
        (made / "a").write_text("half")
        raise KeyError
    assert not folder.exists()
    with filling(folder) as made:
        (made / "deeper").mkdir()
        (made / "deeper/a").write_text("whole")
        assert [entry for entry in folder.iterdir() if not entry.name.startswith(".")] == []
    assert [entry.name for entry in folder.iterdir()] == ["deeper"]
    assert (folder / "deeper/a").read_text() == "whole"
    with pytest.raises(OSError) as raised, filling(folder / "deeper/a") as made:
        pass
    assert raised.value.filename == str(folder / "deeper/a")


@pytest.mark.parametrize("what", ["link", "link to nothing", "pipe", "device"])
def test_neither_a_link_nor_a_device_is_written_or_replaced(tmp_path, what):
    file, victim = tmp_path / "a", tmp_path / "victim"
    victim.write_text("mine")
    if what == "pipe":
        os.mkfifo(file)
    elif what == "device":
        file = Path("/dev/null")
    else:
        file.symlink_to(victim if what == "link" else tmp_path / "nothing")
    with pytest.raises(OSError, match=r"it is a link, and links are not followed|it is not a regular file"):
        save_text(file, "x")
    assert victim.read_text() == "mine" and os.path.lexists(file) and not (tmp_path / "nothing").exists()


def test_a_link_in_the_place_of_the_new_file_is_not_followed(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / f".a.{os.getpid()}.tmp").symlink_to(victim)
    save_text(tmp_path / "a", "x")
    assert victim.read_text() == "mine"
    assert (tmp_path / "a").read_text() == "x" and not (tmp_path / "a").is_symlink()
