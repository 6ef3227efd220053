"""The results table of an app, made by an explicit call.

How a table is made is in :mod:`celery_aws.table.creation`.
"""

from celery import Celery

from celery_aws.aws.dynamodb import DynamoTableService, TableService
from celery_aws.clock import Clock, SystemClock
from celery_aws.results.items import RESULTS_TABLE
from celery_aws.results.ours import our_settings
from celery_aws.results.settings import ResultSettings, result_settings
from celery_aws.table.creation import TableReport, ensure_table


def create_table(
    app: Celery, *, service: TableService | None = None, clock: Clock | None = None
) -> TableReport:
    """Create the results table of ``app``, unless it is there, and wait until it can be used.

    Args:
        app: whose ``result_backend`` names the table. It is on demand unless the URL says
            both ``read`` and ``write``.
        service: instead of AWS, for tests.
        clock: instead of the machine's, for tests.

    Returns:
        What was found and done.

    Raises:
        ConfigurationError: ``result_backend`` is wrong, or a table of this name has another
            primary key or another expiry attribute.
        AwsError: AWS refused.

    Costs two requests if everything is there, else five to about thirty, once.
    """
    settings = _settings(app)
    return ensure_table(
        DynamoTableService(settings.access) if service is None else service,
        settings.table,
        settings.spec,
        purpose=RESULTS_TABLE,
        clock=SystemClock() if clock is None else clock,
    )


def _settings(app: Celery) -> ResultSettings:
    # By attribute: as a key it would miss CELERY_RESULT_BACKEND and `celery --result-backend`.
    named = app.conf.result_backend
    ours = None if "://" in str(named) else our_settings(app)
    return result_settings(named, app.conf) if ours is None else ours
