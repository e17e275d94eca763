"""Spans of time in words."""

UNITS = (("days", 86_400.0), ("h", 3600.0), ("min", 60.0))
YEAR = 365 * 86_400.0


def duration(seconds: float) -> str:
    """A span of time in words: `40 s`, `12 min`, `3.5 h`, `57 days`, `160 years`."""
    if seconds >= 2 * YEAR:
        return f"{seconds / YEAR:,.0f} years"
    for unit, size in UNITS:
        if seconds >= 10 * size:
            return f"{seconds / size:.0f} {unit}"
        if seconds >= 2 * size:
            return f"{seconds / size:.2g} {unit}"
    return f"{max(1.0, seconds):.0f} s"
