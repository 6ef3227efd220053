"""What follows from a comparison, in plain sentences: above all when SQS is not it."""

from collections.abc import Iterator
from datetime import date

from celery_aws.core.prices import MONTH_HOURS, OLD_DAYS, Price
from celery_aws.cost.comparison import Comparison, Crossing, Pair
from celery_aws.cost.money import DOLLARS, Currency
from celery_aws.cost.request_rates import OURS_RESULT_MS
from celery_aws.cost.workload_fields import NetworkPath

#: Dollars a month below which a difference is not worth a change.
WORTH_DOLLARS = 1.0


def sqs_is_it(comparison: Comparison) -> bool:
    """Tell whether the cheapest sensible pair is on SQS, or one on SQS as good as it."""
    cheapest, on_queues = comparison.cheapest, _cheapest_on_queues(comparison)
    if cheapest is None or on_queues is None or not comparison.ours.sensible:
        return False
    if not comparison.ours.bill.complete:
        return cheapest.broker.is_queue
    return _saved(on_queues, cheapest) < WORTH_DOLLARS


def verdict(comparison: Comparison, currency: Currency = DOLLARS) -> str:
    """Return the sentence that says whether SQS is it."""
    ours, cheapest = comparison.ours, comparison.cheapest
    if not ours.sensible:
        reasons = "; ".join(ours.objections)
        if cheapest is None:
            return f"SQS is not it: {reasons}. Nothing else that has a price here is either."
        return f"SQS is not it: {reasons}. {_take(cheapest, currency)}"
    if cheapest is None:
        return "Nothing that makes sense has a price here."
    if sqs_is_it(comparison):
        return _for_sqs(comparison, cheapest, currency)
    if not ours.bill.complete:
        missing = ", ".join(ours.bill.missing)
        return (
            f"Whether SQS is it cannot be said without a price for {missing}. "
            f"Of what has one: {_take(cheapest, currency)}"
        )
    # Not what this package has by default: dear results would be laid to SQS's account.
    one = _cheapest_on_queues(comparison) or ours
    return (
        f"SQS is not it by its price: {one.title} costs {currency.code} "
        f"{currency.shown(_saved(one, cheapest))} a month more than {cheapest.title}."
    )


def _for_sqs(comparison: Comparison, cheapest: Pair, currency: Currency) -> str:
    # Of something else that is cheaper by cents nobody is to be told to take it.
    taken = _cheapest_on_queues(comparison) or cheapest
    other = next((pair for pair in comparison.pairs if _is_alternative(pair)), None)
    if other is None:
        return f"SQS is it: {_take(taken, currency)}"
    return (
        f"SQS is it: {_take(taken, currency)} The cheapest sensible pair without SQS, "
        f"{other.title}, costs {currency.shown(other.bill.dollars)}."
    )


def remarks(comparison: Comparison) -> Iterator[str]:
    """Yield what else is to be known of this comparison."""
    workload = comparison.workload
    if not comparison.free_tier:
        yield "What AWS gives for nothing is not taken off."
    if workload.highly_available:
        yield (
            "Highly available: ElastiCache has two nodes, RDS two zones and RabbitMQ three nodes. "
            "SQS, DynamoDB and S3 are in several zones at the same price."
        )
    else:
        yield (
            "Not highly available: one node of ElastiCache, RabbitMQ or RDS, which is not what SQS "
            "and DynamoDB are; --highly-available compares like with like."
        )
    if workload.network is not NetworkPath.PUBLIC:
        yield "DynamoDB and S3 are taken to be reached by gateway endpoints, which are free."
    cheapest = comparison.cheapest
    if cheapest is not None and cheapest.store is not None and cheapest.store.throttles:
        yield (
            "Provisioned capacity refuses what is above "
            f"{workload.peak_factor:g} times the average (--peak-factor), but for bursts of "
            "seconds; on demand does not."
        )
    if workload.busy == 0 and workload.tasks:
        yield (
            "Each task is taken to come alone, which is three requests; if they come in bursts "
            "(--busy-share) or are sent in batches (--batched-share), SQS is cheaper."
        )
    if workload.start_ms is not None and comparison.ours.sensible:
        yield (
            "Latency: from apply_async() to the result SQS and DynamoDB take "
            f"{OURS_RESULT_MS:g} ms as a rule, with 8 ms a round trip (docs/explanation/speed.md). "
            "Redis and RabbitMQ answer from within the network."
        )
    if workload.tasks > _MANY_TASKS_A_SECOND * MONTH_HOURS * 3_600:
        yield "So many tasks may need larger nodes than are compared here."


#: Above this, one small node of anything is to be tried before it is believed in.
_MANY_TASKS_A_SECOND = 200.0


def price_remarks(comparison: Comparison, today: date) -> Iterator[str]:
    """Yield what is wrong with the prices: those that are missing, old, or not verified."""
    offered = (*comparison.brokers, *comparison.stores)
    region = comparison.workload.region
    for key in sorted({key for each in offered for key in each.bill.missing}):
        yield f"no price for {key} in {region}: what needs it is not compared"
    prices = used_prices(comparison)
    for price in prices:
        if price.is_old(today):
            yield (
                f"{price.key} in {region} is of {price.as_of}, older than {OLD_DAYS} days: "
                "`celery-aws cost refresh-prices`"
            )
    estimated = [price.key for price in prices if price.confidence.value == "estimated"]
    if estimated:
        yield f"not verified (estimates): {', '.join(estimated)}"


def used_prices(comparison: Comparison) -> tuple[Price, ...]:
    """Return every price that a comparison needs, by its key."""
    offered = (*comparison.brokers, *comparison.stores)
    found = {price.key: price for each in offered for price in each.bill.prices}
    return tuple(found[key] for key in sorted(found))


def crossing_sentence(crossing: Crossing) -> str:
    """Return where another pair is cheaper than ours, and what speaks against that."""
    against = "; ".join(crossing.other.objections)
    return f"{_crossed(crossing)} (it {against})" if against else _crossed(crossing)


def _crossed(crossing: Crossing) -> str:
    point, other = crossing.point, crossing.other.title
    if point.at is None:
        return (
            f"at any number of tasks cheaper than {other}"
            if point.cheaper_before
            else (f"at no number of tasks cheaper than {other}")
        )
    tasks = f"{point.at:,.0f} tasks a month"
    if point.cheaper_before:
        return f"cheaper than {other} below {tasks}"
    return f"cheaper than {other} above {tasks}"


def _take(pair: Pair, currency: Currency) -> str:
    return f"{pair.title}: {currency.code} {currency.shown(pair.bill.dollars)} a month."


def _saved(one: Pair, other: Pair) -> float:
    return one.bill.dollars - other.bill.dollars


def _cheapest_on_queues(comparison: Comparison) -> Pair | None:
    pairs = comparison.pairs
    return next((pair for pair in pairs if pair.sensible and pair.broker.is_queue), None)


def _is_alternative(pair: Pair) -> bool:
    return pair.sensible and not pair.broker.is_queue
