"""Who moves a live Celery from Redis or RabbitMQ here, or back: ``celery aws migrate``.

A monitor, for `status` asks workers, who may also send what is moved, take it out again on the way
back, with tasks that are parked, and copy results both ways. Who calls what: migrate/sqs_target.py,
migrate/sqs_source.py, migrate/parked_source.py, migrate/second_copies.py,
migrate/revoked_claims.py, migrate/sent_messages.py, migrate/results/copying.py,
migrate/results/chord_moves.py.
"""

from collections.abc import Iterator

from celery_aws.iam import keys
from celery_aws.iam.allowing import allowing
from celery_aws.iam.document import Statement
from celery_aws.iam.monitor import monitor
from celery_aws.iam.objects import objects
from celery_aws.iam.resources import Resources

_MOVES = "SendMessage ReceiveMessage DeleteMessage ChangeMessageVisibility"
_PARKED_ACTIONS = "GetItem PutItem DeleteItem BatchGetItem BatchWriteItem"

#: A move that is given up is deleted; no result is.
_CHORD_ACTIONS = "GetItem UpdateItem DeleteItem"


def migrator(found: Resources) -> Iterator[Statement]:
    """Yield the statements of a migrator."""
    yield from monitor(found, ages=False)
    yield from allowing("MoveMessages", "sqs", _MOVES, found.tasks)
    yield from objects("Messages", found, "messages", "GetObject PutObject DeleteObject")
    yield from _coordination(found)
    yield from _results(found)


def _coordination(found: Resources) -> Iterator[Statement]:
    table = found.coordination
    parked = keys.with_leading_keys(
        *(keys.PARKED, keys.PARTS_OF_PARKED, keys.CLAIMED_PARKED, keys.PARTS_OF_CLAIMED)
    )
    yield from allowing("MoveParkedTasks", "dynamodb", _PARKED_ACTIONS, table, parked)
    # What a killed rollback had claimed. What is parked a monitor may list.
    claimed = keys.with_leading_keys(keys.CLAIMED_PARKED)
    yield from allowing("FindClaimedTasks", "dynamodb", "Query", table, claimed)
    copies = keys.with_leading_keys(keys.MIGRATED)
    yield from allowing("KnowCopies", "dynamodb", "BatchGetItem PutItem", table, copies)
    revoked = keys.with_leading_keys(keys.REVOKED)
    yield from allowing("KnowRevoked", "dynamodb", "BatchGetItem", table, revoked)


def _results(found: Resources) -> Iterator[Statement]:
    table = found.results
    yield from allowing("CopyResults", "dynamodb", "BatchGetItem PutItem", table)
    yield from allowing("ListResults", "dynamodb", "Scan", table)
    # With `run --chords`.
    of_chords = keys.chords(found.deployment.result_keys)
    yield from allowing("MoveChords", "dynamodb", _CHORD_ACTIONS, table, of_chords)
    pieces = keys.with_leading_keys(keys.PIECES)
    yield from allowing("KeepPieces", "dynamodb", "BatchWriteItem", table, pieces)
    yield from objects("Results", found, "results", "GetObject PutObject DeleteObject")
