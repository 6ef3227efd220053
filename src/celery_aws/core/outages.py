"""An AWS that did not answer, and is left alone: whoever waits for it does nothing else."""

from dataclasses import dataclass

from celery_aws.errors import AwsError


@dataclass(frozen=True)
class Outage:
    """Why AWS could not be asked, and until when it is not asked again.

    Attributes:
        error: what it did instead of answering.
        over_at: by the monotonic clock.
    """

    error: AwsError
    over_at: float

    def raise_if_on(self, now: float) -> None:
        """Raise the error again, as long as nobody is to ask."""
        if now < self.over_at:
            # Without the frames of everybody who has met it, which it would keep alive.
            raise self.error.with_traceback(None)
