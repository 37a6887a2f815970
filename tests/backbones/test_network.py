from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from frod_bench.backbones import network


class NotFound(BaseHTTPRequestHandler):
    """Answers every request with 404, as a mirror without a front page does."""

    def do_HEAD(self):
        self.send_error(404)

    def log_message(self, *_):
        pass


@pytest.fixture
def online(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr(network, "is_offline_mode", lambda: False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def test_any_answer_counts_as_reached(online, monkeypatch):
    with HTTPServer(("127.0.0.1", 0), NotFound) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        assert network.hub_reachable()
        server.shutdown()


def test_a_closed_port_is_not_reached(online, monkeypatch):
    with HTTPServer(("127.0.0.1", 0), NotFound) as server:
        address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
    assert not network.hub_reachable(timeout_s=1.0)


def test_offline_mode_does_not_even_look(monkeypatch):
    monkeypatch.setattr(network, "is_offline_mode", lambda: True)
    monkeypatch.setattr(network, "get_session", lambda: pytest.fail("the network was used"))
    assert not network.hub_reachable()
