from frod_bench.disk_cache import cache_folder, exclusively


def test_the_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("FROD_BENCH_CACHE", str(tmp_path))
    assert cache_folder("images") == tmp_path / "images"
    monkeypatch.delenv("FROD_BENCH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder("images") == tmp_path / "xdg/frod-bench/images"


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with exclusively(tmp_path / "folder/entry.npy") as writable:
        assert writable
    with exclusively(tmp_path / "file/entry.npy") as writable:
        assert not writable
