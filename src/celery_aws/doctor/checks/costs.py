"""What the month's requests cost, against the budget that somebody has set."""

from collections.abc import Iterator

from celery_aws.doctor.facts import Facts
from celery_aws.doctor.finding import Finding, notice, warning

SPENT = warning(
    "budget-spent",
    "The requests of this month's workers have cost more than `monthly_budget`.",
    "See which queues and operations it is: `celery -A proj aws cost actual`",
)
PROJECTED = warning(
    "budget-will-be-spent",
    "If the month goes on as it began, its requests will cost more than `monthly_budget`.",
    "See which queues and operations it is: `celery -A proj aws cost actual`; `cost compare "
    "--measured` says whether something else is cheaper",
)
UNKNOWN = notice(
    "budget-unknown",
    "There is a `monthly_budget`, and nobody knows what this month has cost.",
    "Let workers write it down (`record_usage`), and let `celery-aws cost refresh-prices "
    "--region REGION` ask for prices if there are none",
)

KINDS = (SPENT, PROJECTED, UNKNOWN)


def budget(facts: Facts) -> Iterator[Finding]:
    """Compare what was spent, and will be, with the budget."""
    options = facts.deployment.options
    if options is None or options.monthly_budget is None:
        return
    found, limit = facts.spending.answer, options.monthly_budget
    what = "broker_transport_options['monthly_budget']"
    if found is None or found.since is None or not found.bill.complete:
        missing = "" if found is None else ", ".join(found.bill.missing)
        evidence = f"no price for {missing}" if missing else "no worker has written anything down"
        yield UNKNOWN.found(what, evidence)
        return
    spent = found.bill.dollars
    later = None if found.month_bill is None else found.month_bill.dollars
    if spent > limit:
        yield SPENT.found(what, f"{spent:,.2f} of {limit:,.2f} dollars in {found.month}")
    elif later is not None and later > limit:
        yield PROJECTED.found(
            what, f"{later:,.2f} of {limit:,.2f} dollars by the end of {found.month}"
        )


CHECKS = (budget,)
