import pytest

from frod_bench.record import redact


@pytest.fixture(autouse=True)
def machine(tmp_path, monkeypatch):
    (tmp_path / "token").write_text("hub-token-of-this-machine\n")
    (tmp_path / "netrc").write_text("machine api.wandb.ai\n  login user\n  password netrc-password-0123\n")
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("WANDB_API_KEY", "0123456789" * 4)
    monkeypatch.setenv("MY_SECRET", "short")


@pytest.mark.parametrize(
    "secret", ["0123456789" * 4, "hub-token-of-this-machine", "netrc-password-0123", "hf_" + "aB3" * 11]
)
def test_a_secret_is_hidden_wherever_it_stands(secret):
    assert redact(f"GET https://user:{secret}@host/{secret}?x failed") == (
        "GET https://user:[secret]@host/[secret]?x failed"
    )


@pytest.mark.parametrize("text", ["a short message", "76d4062c" * 5, "hf_hub", "outputs/token/secret"])
def test_other_text_stays(text):
    assert redact(text) == text


def test_files_that_are_not_there_hide_nothing(monkeypatch):
    monkeypatch.setenv("HF_TOKEN_PATH", "/nonexistent")
    monkeypatch.setenv("NETRC", "/proc/self/mem")
    assert redact("hub-token-of-this-machine") == "hub-token-of-this-machine"
