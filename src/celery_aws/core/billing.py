"""What a request costs by its payload, as pure functions.

Facts: "Amazon SQS pricing": each 64 KB chunk of a payload is billed as one request.
"""

from celery_aws.limits import SQS_BILLED_CHUNK_BYTES


def billed_requests(payload_bytes: int) -> int:
    """Return how many requests SQS bills for one whose payload has so many bytes; at least 1."""
    return max(1, -(-payload_bytes // SQS_BILLED_CHUNK_BYTES))
