import pytest

from frod_bench.landscape.cache import complete, read

POINTS = [(0.0, 0.0), (0.1, 0.0), (0.2, 0.0)]


def test_an_interrupted_surface_goes_on_where_it_stopped(tmp_path):
    file = tmp_path / "new" / "after.csv"

    def breaks(missing):
        yield missing[0], 1.5
        yield missing[1], 2.5
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        complete(file, POINTS, breaks)
    with file.open("a") as stream:
        stream.write("0.2,0.0,3")  # cut short: no end of the line
    asked = []

    def goes_on(missing):
        asked.extend(missing)
        return ((point, 9.0) for point in missing)

    assert complete(file, POINTS, goes_on) == {(0.0, 0.0): 1.5, (0.1, 0.0): 2.5, (0.2, 0.0): 9.0}
    assert asked == [(0.2, 0.0)]
    assert list(read(file).values()) == [1.5, 2.5, 9.0]


def test_a_complete_surface_is_only_read(tmp_path):
    file = tmp_path / "after.csv"
    complete(file, POINTS, lambda missing: ((point, float("inf")) for point in missing))
    written = file.read_bytes()
    assert set(complete(file, POINTS, lambda missing: pytest.fail("computed again")).values()) == {float("inf")}
    assert file.read_bytes() == written


@pytest.mark.parametrize("name", ["landscapes", "landscapes/after.csv"])
def test_a_link_is_not_followed(tmp_path, name):
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "after.csv").write_text("mine")
    file = tmp_path / "run/landscapes/after.csv"
    (tmp_path / "run" / name).parent.mkdir(parents=True)
    (tmp_path / "run" / name).symlink_to(victim if name == "landscapes" else victim / "after.csv")
    with pytest.raises(OSError, match="links are not followed"):
        complete(file, POINTS, lambda missing: ((point, 1.0) for point in missing))
    assert (victim / "after.csv").read_text() == "mine"
