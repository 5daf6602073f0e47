"""Seconds and gigabytes as people read them."""


def seconds_text(seconds_s: float) -> str:
    """Three digits of a short time, whole seconds of a long one: "0.25 s", "1.5 s", "3,600 s"."""
    return f"{_rounded(seconds_s)} s"


def gigabytes_text(size_bytes: float) -> str:
    """The same for a size: "0.15 GB", "14 GB", "2,000 GB"."""
    return f"{_rounded(size_bytes / 1e9)} GB"


def _rounded(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
