"""The chart of a comparison: ours, stock and each other broker, by tasks a month."""

from math import ceil, floor, log10

from celery_aws.cost.chart import Chart, Curve, Mark
from celery_aws.cost.comparison import Comparer, Comparison, Pair
from celery_aws.cost.money import DOLLARS, Currency
from celery_aws.cost.workload_fields import MOST_AMOUNT

#: Powers of ten that are shown at least, to both sides of what was asked for.
_AROUND = 2


def comparison_chart(
    comparer: Comparer, comparison: Comparison, *, currency: Currency = DOLLARS
) -> Chart:
    """Return the chart: costs by tasks, everything else as in the workload."""
    workload = comparison.workload
    middle = log10(max(workload.tasks, 1e5))

    def curve(pair: Pair, *, dashed: bool = False) -> Curve:
        dollars = comparer.dollars_by(workload, pair, "tasks")
        return Curve(
            title=pair.title, cost=lambda tasks: currency.amount(dollars(tasks)), dashed=dashed
        )

    ours = curve(comparison.ours)
    points = [each.point.at for each in comparison.crossings if each.point.at is not None]
    return Chart(
        title=f"{workload.region}, {workload.workers:g} workers, "
        f"{'highly available' if workload.highly_available else 'single nodes'}",
        unit=f"{currency.code} a month, before tax",
        curves=[
            ours,
            curve(comparison.stock, dashed=True),
            *(curve(each.other) for each in comparison.crossings),
        ],
        marks=[Mark(tasks=at, cost=ours.cost(at)) for at in points],
        first=10.0 ** (floor(middle) - _AROUND),
        last=min(MOST_AMOUNT, 10.0 ** (ceil(middle) + _AROUND)),
        least=10.0 ** floor(log10(currency.amount(0.1))),
    )
