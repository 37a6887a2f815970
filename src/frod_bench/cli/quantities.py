"""Numbers and durations as plans print them."""


def duration(hours: float) -> str:
    """Return hours in words, short ones in minutes."""
    return f"{number(hours)} hours" if hours >= 0.1 else f"{60 * hours:.2g} minutes"


def number(value: float) -> str:
    """Return three digits, or all before the decimal point, never in powers of ten."""
    if 0 < value < 0.001:
        return "<0.001"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
