"""Lengths of time as people say them."""

_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def duration_text(seconds: float) -> str:
    """Return a length of time by its two largest units: ``3 d 4 h``, ``12 min``."""
    left = int(seconds)
    counts = []
    for unit, length in _UNITS:
        count, left = divmod(left, length)
        if count:
            counts.append(f"{count} {unit}")
    return " ".join(counts[:2]) or "0 s"
