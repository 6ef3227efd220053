"""From the queue name that Celery knows to the queue name on AWS.

The rule is the stock transport's, because both must find the same queue: the prefix goes in
front, ``.`` becomes ``-``, other punctuation but ``-`` and ``_`` becomes ``_``, and a final
``.fifo`` stays. Facts: kombu/transport/SQS/__init__.py ``entity_name``.
"""

import string

from celery_aws.limits import SQS_QUEUE_NAME_CHARACTERS
from celery_aws.names import AmqpQueue, QueueName, QueueUrl

FIFO_SUFFIX = ".fifo"

_LEGAL = set("-_")
_REPLACEMENTS = {
    ord(character): "-" if character == "." else "_"
    for character in string.punctuation
    if character not in _LEGAL
}


def queue_name(queue: AmqpQueue, prefix: str = "") -> QueueName:
    """Return the name on AWS of Celery's ``queue``."""
    name = prefix + queue
    base = name.removesuffix(FIFO_SUFFIX)
    suffix = FIFO_SUFFIX if is_fifo(name) else ""
    return QueueName(base.translate(_REPLACEMENTS) + suffix)


def is_fifo(name: str) -> bool:
    """Tell whether the queue of this name or URL is a FIFO queue."""
    return name.endswith(FIFO_SUFFIX)


def name_problem(name: QueueName) -> str | None:
    """Return why AWS would refuse ``name``, or None."""
    if len(name) > SQS_QUEUE_NAME_CHARACTERS:
        return (
            f"the name has {len(name)} characters, SQS takes {SQS_QUEUE_NAME_CHARACTERS}: "
            "shorten the queue's name or queue_name_prefix"
        )
    base = name.removesuffix(FIFO_SUFFIX)
    if not base:
        return "the name is empty"
    bad = sorted({character for character in base if not _is_legal(character)})
    if bad:
        return f"the name has characters that SQS does not take: {' '.join(map(repr, bad))}"
    return None


def name_of_url(url: QueueUrl) -> QueueName:
    """Return the queue's name on AWS: the last part of its URL."""
    return QueueName(url.rstrip("/").rsplit("/", 1)[-1])


def _is_legal(character: str) -> bool:
    return character in _LEGAL or (character.isascii() and character.isalnum())
