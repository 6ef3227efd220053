"""What a thread of ours logs of its failures: few lines, and a bug of ours as what it is."""

import logging

from celery_aws.core.backoff import is_worth_logging
from celery_aws.errors import CeleryAwsError


def log_failure(
    logger: logging.Logger,
    what: str,
    error: Exception,
    *,
    failures: int,
    shown: Exception | None = None,
) -> None:
    """Log a failure after which a thread goes on, if its turn in the row is worth a line.

    Args:
        logger: of the thread's module.
        what: does not work now, as the beginning of a sentence.
        error: AWS's is a warning; any other is a bug, and is logged with its traceback.
        failures: how many in a row, this one included.
        shown: is logged in place of ``error``: the same, with another remedy.
    """
    if not is_worth_logging(failures):
        return
    known = isinstance(error, CeleryAwsError)
    logger.log(
        logging.WARNING if known else logging.CRITICAL,
        "%s%s (failure %s in a row): %s",
        what,
        "" if known else ", by a bug in celery-aws",
        failures,
        error if shown is None else shown,
        exc_info=None if known else error,
    )
