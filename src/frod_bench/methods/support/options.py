"""Checks of option values that several methods share."""

from frod_bench.errors import RequestError, did_you_mean


def check_whole(name: str, value: int, what: str) -> None:
    """Raise RequestError unless `value` is 1 or more; `what` is the subject of the message."""
    if value < 1:
        raise RequestError(f"method.{name}={value} is not accepted: {what} is a whole number of 1 or more.")


def check_positive(name: str, value: float) -> None:
    """Raise RequestError unless `value` is finite and above 0."""
    if not 0 < value < float("inf"):
        raise RequestError(f"method.{name}={value} is not accepted: {name} is a finite number above 0.")


def check_dropout(value: float) -> None:
    """Raise RequestError unless `value` lies in [0, 1)."""
    if not 0 <= value < 1:
        raise RequestError(f"method.dropout={value} is not accepted: dropout lies in [0, 1).")


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Raise RequestError unless `value` is one of `choices`."""
    if value not in choices:
        raise RequestError(f"method.{name}={value} is not known. {did_you_mean(value, choices)}")
