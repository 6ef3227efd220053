"""What this month has cost, if there is a budget to compare it with."""

from celery_aws.broker.coordination import Coordination
from celery_aws.clock import Clock
from celery_aws.core.usage_records import month_of
from celery_aws.cost.spending import Spending, spending
from celery_aws.deployment import Deployment
from celery_aws.doctor.look import Look, look
from celery_aws.prices import known_prices


def spending_of(
    usable: Deployment, coordination: Coordination | None, clock: Clock
) -> Look[Spending]:
    """Read what workers have written down of this month.

    Args:
        usable: says the budget and the region.
        coordination: of the broker, if it can be asked.
        clock: says which month it is.

    Costs a Query if there is a budget.
    """
    options, broker = usable.options, usable.broker
    if coordination is None or options is None or broker is None or options.monthly_budget is None:
        return Look()
    now = clock.now()
    month = month_of(now.date())

    def ask() -> Spending:
        records = coordination.usage.month(month)
        return spending(month, records, known_prices(), broker.region, now=now)

    return look(ask)
