import os

import pytest

from frod_bench.files import replacing


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
    with pytest.raises(OSError) as raised, replacing(file) as partial:
        partial.symlink_to("/dev/full")
        partial.write_text("x")
    assert (raised.value.filename, raised.value.strerror) == (str(file), os.strerror(raised.value.errno))
    assert not os.path.lexists(partial)
