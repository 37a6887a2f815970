import pytest

from frod_bench.errors import RequestError
from frod_bench.tasks.sources import open_source
from frod_bench.tasks.sources.generated import GeneratedSource
from frod_bench.tasks.sources.hub import HubSource
from frod_bench.tasks.sources.local import LocalSource


def test_names_open_their_sources(tmp_path):
    assert isinstance(open_source("hub").source, HubSource)
    assert isinstance(open_source("generated").source, GeneratedSource)
    assert isinstance(open_source("local", tmp_path).source, LocalSource)


def test_unknown_name():
    with pytest.raises(RequestError, match=r"data\.source=locale is not known\. Did you mean local"):
        open_source("locale")


def test_a_root_that_would_not_be_read_is_refused(tmp_path):
    with pytest.raises(RequestError, match=r"Add data\.source=local"):
        open_source("hub", tmp_path)


@pytest.mark.parametrize("limit", [0, -1, 1.5, True, "many"])
def test_a_limit_that_is_none(limit):
    with pytest.raises(RequestError, match=rf"data\.max_row_bytes={limit} is not accepted"):
        open_source("generated", None, limit)
