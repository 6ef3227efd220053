"""What a request costs by its payload, as pure functions.

Facts: "Amazon SQS pricing": each 64 KB chunk of a payload is billed as one request, and the
entries of a batch are one payload; "DynamoDB read and write operations" in the developer guide.
"""

from celery_aws.limits import (
    DYNAMODB_READ_UNIT_BYTES,
    DYNAMODB_WRITE_UNIT_BYTES,
    SQS_BILLED_CHUNK_BYTES,
)


def billed_requests(payload_bytes: int) -> int:
    """Return how many requests SQS bills for one whose payload has so many bytes; at least 1."""
    return max(1, -(-payload_bytes // SQS_BILLED_CHUNK_BYTES))


def write_units(item_bytes: int) -> int:
    """Return the write units of one put, update or delete; at least 1.

    Args:
        item_bytes: the size of the item before or after, whichever is larger; of a write whose
            condition fails as well.
    """
    return max(1, -(-item_bytes // DYNAMODB_WRITE_UNIT_BYTES))


def read_units(read_bytes: int, *, consistent: bool) -> float:
    """Return the read units of one item, or of all that one query read; at least 1, or a half.

    Args:
        read_bytes: what was read, attributes that were not asked for included.
        consistent: a read that need not be consistent costs half.
    """
    units = max(1, -(-read_bytes // DYNAMODB_READ_UNIT_BYTES))
    return float(units) if consistent else units / 2
