import re
from xml.etree import ElementTree as ET

import pytest

from celery_aws.cost.chart import Chart, Curve, Mark
from celery_aws.cost.comparison import Comparer
from celery_aws.cost.comparison_chart import comparison_chart
from celery_aws.cost.money import Currency
from celery_aws.cost.workload import Workload
from celery_aws.prices import packaged_prices

SVG = "{http://www.w3.org/2000/svg}"

CHART = Chart(
    title="one <two> & three",
    unit="USD a month",
    curves=[
        Curve(title="line", cost=lambda tasks: tasks * 2e-6),
        Curve(title="rent", cost=lambda _: 20.0, dashed=True),
    ],
    marks=[Mark(tasks=1e7, cost=20.0), Mark(tasks=1e12, cost=1.0)],
)


def drawn(chart: Chart) -> ET.Element:
    return ET.fromstring(chart.svg())


def points(line: ET.Element) -> list[tuple[float, float]]:
    return [
        (float(x), float(y)) for x, y in re.findall(r"([\d.]+),([\d.]+)", line.attrib["points"])
    ]


def test_curves_and_their_crossing_are_where_they_belong() -> None:
    picture = drawn(CHART)
    # The first curve is drawn last, above the others.
    rent, line = picture.findall(f"{SVG}polyline")
    assert "stroke-dasharray" in rent.attrib
    assert "stroke-dasharray" not in line.attrib
    assert len({y for _, y in points(rent)}) == 1
    heights = [y for _, y in points(line)]
    assert heights == sorted(heights, reverse=True)
    (mark,) = picture.findall(f"{SVG}circle")
    there = (float(mark.attrib["cx"]), float(mark.attrib["cy"]))
    assert there == pytest.approx((CHART.x(1e7), CHART.y(20.0)), abs=0.1)
    assert points(rent)[0][1] == pytest.approx(there[1], abs=0.1)


def test_texts_are_no_markup() -> None:
    texts = [each.text for each in drawn(CHART).findall(f"{SVG}text")]
    assert "one <two> & three" in texts
    assert {"10k", "100k", "1M", "1G", "0.1", "1k", "10M", "tasks a month"} <= set(texts)


def test_what_costs_less_than_is_shown_is_at_the_bottom() -> None:
    assert CHART.y(0.0) == CHART.y(0.1)
    assert CHART.y(0.1) > CHART.y(1.0)


def test_the_chart_of_a_comparison() -> None:
    comparer = Comparer(packaged_prices())
    found = comparer.compare(Workload(tasks=2e6))
    chart = comparison_chart(comparer, found, currency=Currency(code="JPY", rate=150))
    assert chart.unit == "JPY a month, before tax"
    assert (chart.first, chart.last) == (1e4, 1e9)
    titles = [curve.title for curve in chart.curves]
    assert titles[0] == found.ours.title
    assert titles[1] == found.stock.title
    assert len(titles) == 2 + len(found.crossings)
    assert chart.curves[0].cost(2e6) == pytest.approx(150 * found.ours.bill.dollars)
    crossed = [each for each in found.crossings if each.point.at is not None]
    assert len(drawn(chart).findall(f"{SVG}circle")) == len(
        [each for each in crossed if 1e4 <= (each.point.at or 0) <= 1e9]
    )
