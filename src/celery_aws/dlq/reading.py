"""Reads dead letters: their bodies, from S3 too, and what the results of their tasks say."""

from collections.abc import Callable, Mapping, Sequence

from celery_aws.broker.large_messages import LargeMessages
from celery_aws.core.buried_message import BuriedMessage
from celery_aws.core.messages import OutgoingMessage
from celery_aws.core.task_contents import TaskContents, task_contents
from celery_aws.dlq.letters import Letter
from celery_aws.errors import CeleryAwsError

#: Returns what went wrong with tasks, by their ids; those that are not in it nobody knows of.
Errors = Callable[[Sequence[str]], Mapping[str, str]]


def no_errors(task_ids: Sequence[str]) -> Mapping[str, str]:  # noqa: ARG001
    """Ask nobody what went wrong."""
    return {}


class LetterReader:
    """Reads what was received.

    Args:
        large_messages: reads bodies from S3.
        errors: looks up what went wrong with tasks.
    """

    def __init__(self, large_messages: LargeMessages, errors: Errors = no_errors) -> None:
        self._large_messages = large_messages
        self._errors = errors

    def read(self, messages: Sequence[BuriedMessage]) -> list[Letter]:
        """Return messages as dead letters, in their order. Never raises because of one of them.

        Costs one GetObject for each whose body is in S3, and what the errors cost for all
        together.
        """
        letters = [self._letter(each) for each in messages]
        errors = self._errors([each.task_id for each in letters if each.task_id is not None])
        return [
            Letter(
                buried=each.buried,
                contents=each.contents,
                problem=each.problem,
                error=errors.get(each.task_id or ""),
            )
            for each in letters
        ]

    def body(self, message: BuriedMessage) -> str:
        """Return the envelope of a message, wherever it is.

        Raises:
            ConfigurationError: it is in another bucket or prefix than the configured one.
            AwsError: it could not be read.
        """
        return self._large_messages.read(OutgoingMessage(body=message.message.body))

    def _letter(self, message: BuriedMessage) -> Letter:
        try:
            contents = task_contents(self.body(message))
        except (CeleryAwsError, UnicodeDecodeError) as error:
            unread = task_contents(message.message.body)
            return Letter(buried=message, contents=unread, problem=f"its body is not read: {error}")
        return Letter(buried=message, contents=contents, problem=_problem(contents))


def _problem(contents: TaskContents) -> str | None:
    if contents.protocol is not None:
        return None
    return "it is no task of Celery's, or one whose body is not JSON"
