"""Lengths of time as people say them."""

#: The longest first; two of them say enough.
_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def duration_text(seconds: float) -> str:
    """Return a length of time as ``3 d 4 h``, ``12 min 30 s`` or ``5 s ago``."""
    left = int(abs(seconds))
    counts = []
    for unit, length in _UNITS:
        count, left = divmod(left, length)
        if count:
            counts.append(f"{count} {unit}")
    words = " ".join(counts[:2]) or "0 s"
    return f"{words} ago" if seconds <= -1 else words
