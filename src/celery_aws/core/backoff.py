"""Back-off with full jitter, as a pure function."""


def backoff_seconds(
    attempt: int, *, first_seconds: float, most_seconds: float, fraction: float
) -> float:
    """Return how long to wait before trying again.

    Args:
        attempt: failures in a row so far, from 1.
        first_seconds: the longest wait after the first failure.
        most_seconds: the longest wait ever.
        fraction: a random number from 0 to 1, so that a fleet does not come back at once.

    Returns:
        Seconds: at least a tenth of the longest wait, at most all of it.
    """
    longest = min(most_seconds, first_seconds * 2.0 ** min(attempt - 1, 30))
    return longest * (0.1 + 0.9 * fraction)
