"""Deletes dead letters for good: writes each down first if somebody wants that, then deletes it.

An object in S3 goes once SQS has confirmed that its message has. Killed in between, it leaves the
object to the bucket's lifecycle rule, and never a message without its object.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from celery_aws.broker.large_messages import LargeMessages
from celery_aws.core.messages import OutgoingMessage
from celery_aws.dlq.archive import Archive, archived
from celery_aws.dlq.letters import Letter
from celery_aws.dlq.looking import Look
from celery_aws.dlq.moving import Left
from celery_aws.dlq.reading import LetterReader
from celery_aws.errors import CeleryAwsError, ObjectNotFoundError
from celery_aws.names import QueueName

logger = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Dropped:
    """What became of dead letters so far.

    Attributes:
        count: are deleted.
        left: were not deleted.
    """

    count: int = 0
    left: list[Left] = field(default_factory=list)


class Dropper:
    """Deletes what one look through a dead-letter queue brings.

    Args:
        queue: name of the dead-letter queue.
        look: holds its messages.
        reader: reads bodies from S3, for the archive.
        large_messages: deletes them there.
        archive: where each is written first; None is nowhere.

    Attributes:
        dropped: what became of them; also right after an error.
    """

    def __init__(
        self,
        queue: QueueName,
        look: Look,
        *,
        reader: LetterReader,
        large_messages: LargeMessages,
        archive: Archive | None,
    ) -> None:
        self.dropped = Dropped()
        self._name = queue
        self._look = look
        self._reader = reader
        self._large_messages = large_messages
        self._archive = archive

    def drop(self, letters: Sequence[Letter]) -> None:
        """Delete up to ten dead letters.

        Raises:
            ConfigurationError: the archive cannot be written; nothing of them was deleted.
            OSError: the same.

        Costs one DeleteMessageBatch; for each with its body in S3 a DeleteObjects, which AWS does
        not bill, and with an archive a GetObject.
        """
        written = self._write_down(letters)
        if not written:
            return
        kept = self._look.delete([each.buried for each in written])
        for letter in written:
            if letter.message_id in kept:
                reason = str(kept[letter.message_id])
                self.dropped.left.append(Left(letter=letter, reason=reason))
            else:
                self.dropped.count += 1
                self._large_messages.discard(OutgoingMessage(body=letter.buried.message.body))

    def _write_down(self, letters: Sequence[Letter]) -> list[Letter]:
        """Archive dead letters and return those that may be deleted."""
        if self._archive is None or not letters:
            return list(letters)
        lines = [(letter, line) for letter in letters if (line := self._line(letter)) is not None]
        self._archive.write([line for _, line in lines])
        return [letter for letter, _ in lines]

    def _line(self, letter: Letter) -> dict[str, Any] | None:
        """Return a dead letter for the archive; None if what is in S3 of it cannot be read now."""
        stored_body = None
        try:
            if letter.pointer is not None:
                stored_body = self._reader.body(letter.buried)
        except ObjectNotFoundError as error:
            logger.warning("%s is archived without its body: %s", letter.message_id, error)
        except (CeleryAwsError, UnicodeDecodeError) as error:
            self.dropped.left.append(Left(letter=letter, reason=str(error)))
            return None
        return archived(self._name, letter, stored_body)
