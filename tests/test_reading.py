"""Only regular files of a bounded size are read, and JSON and YAML only as plain, shallow, finite data."""

import os
import time
from pathlib import Path

import pytest
import yaml

from frod_bench.errors import RequestError
from frod_bench.plain_yaml import parse_yaml, read_mapping
from frod_bench.reading import DEPTH, DOCUMENT, LINES, file_digest, parse_json, read_lines, read_text

READERS = [read_text, read_mapping, lambda file: list(read_lines(file)), lambda file: file_digest(file, LINES)]


def pipe(file):
    os.mkfifo(file)


def device(file):
    file.symlink_to("/dev/zero")


def link(file):
    file.with_name("other").write_text("a: 1")
    file.symlink_to("other")


def endless(file):
    with file.open("wb") as stream:
        stream.truncate(LINES + 1)


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("make", [pipe, device, link, endless, os.mkdir])
def test_what_is_no_regular_file_of_a_size_is_refused_at_once(tmp_path, make, read):
    make(tmp_path / "file")
    start = time.process_time()
    with pytest.raises(RequestError, match="file cannot be read"):
        read(tmp_path / "file")
    assert time.process_time() - start < 1


def test_a_device_itself_is_refused():
    for file in ("/dev/zero", "/dev/null"):
        with pytest.raises(RequestError, match="not a regular file"):
            read_text(Path(file))


def test_a_line_without_an_end_is_refused(tmp_path):
    (tmp_path / "lines").write_bytes(b"x" * (DOCUMENT + 1))
    with pytest.raises(RequestError, match="a line of more than 4 MiB"):
        list(read_lines(tmp_path / "lines"))


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", r'"\ud800"', "[" * 100_000, '{"a":' * (DEPTH + 2), "9" * 5000])
def test_json_that_is_no_plain_data_is_refused(text):
    with pytest.raises(ValueError):
        parse_json(text)


def test_json_as_deep_as_is_allowed_is_read():
    deep = "[" * DEPTH + "]" * DEPTH
    assert parse_json(deep) and parse_json(f'{{"a": {deep[1:-1]}}}')
    with pytest.raises(ValueError, match="nested deeper"):
        parse_json(f"[[{deep}]]")


BOMB = "a: &a [x, x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True))
ODD_YAML = [BOMB, "&a [*a]", "a: &a {b: *a}", "[" * 100_000, "{a: " * 500, "- " * 500 + "x", "<<: {a: 1}", "1: x"]
ODD_YAML += ["? [1]\n: 2", "a: !!python/object/apply:os.getcwd []", "a: .nan", "a: .inf", "a: 0x" + "f" * 5000]
ODD_YAML += ["a: 2001-13-45", "a: !!map 3", "a: !!int x", "a: !!bool x", "a: [", "\0"]


@pytest.mark.parametrize("text", ODD_YAML)
def test_yaml_that_is_no_plain_data_is_refused(tmp_path, text):
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(RequestError, match=r"config\.yaml is broken"):
        read_mapping(tmp_path / "config.yaml")


def test_plain_yaml_is_read_as_the_library_reads_it():
    text = "a: {b: [1, 2.5, null, true, 'x', \"y\", -3, 1.0e-5, ~, 0o7]}\nc:\n- d: |\n    e\n    f\n- []\n"
    assert parse_yaml(text) == yaml.safe_load(text)
    assert parse_yaml("") is None
