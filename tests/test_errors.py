import pickle

import pytest

from frod_bench.errors import Interrupted, OutOfMemory


@pytest.mark.parametrize("error", [Interrupted("SIGTERM.", 15), OutOfMemory("No room.", "gradient_accumulation_steps")])
def test_an_error_travels_between_processes(error):
    other = pickle.loads(pickle.dumps(error))
    assert (type(other), str(other), vars(other)) == (type(error), str(error), vars(error))
