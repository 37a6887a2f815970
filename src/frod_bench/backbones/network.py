"""Check in seconds whether the Hugging Face hub answers, instead of waiting for the client's long retries."""

from huggingface_hub import constants, get_session, is_offline_mode


def hub_reachable(timeout_s: float = 3.0) -> bool:
    """Return whether the hub (HF_ENDPOINT, through the configured proxy) answers within `timeout_s` seconds.

    Returns False without a request when HF_HUB_OFFLINE is set.
    """
    if is_offline_mode():
        return False
    try:
        get_session().head(constants.ENDPOINT, timeout=timeout_s)
    except Exception:  # the client's HTTP library, and so its errors, differ between versions
        return False
    return True
