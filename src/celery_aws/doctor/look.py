"""What a question to AWS brought: an answer or an error, as a value."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from celery_aws.errors import CeleryAwsError, NotFoundError

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True)
class Look(Generic[T_co]):
    """What a question brought: an answer, or an error; neither if it was not asked."""

    answer: T_co | None = None
    error: CeleryAwsError | None = None

    @property
    def missing(self) -> bool:
        """True if AWS says that it does not exist."""
        return isinstance(self.error, NotFoundError)


def look(ask: Callable[[], T]) -> Look[T]:
    """Ask, and return what came."""
    try:
        return Look(answer=ask())
    except CeleryAwsError as error:
        return Look(error=error)
