import json
from datetime import date

from celery_aws.cost.comparison import Comparer
from celery_aws.cost.money import Currency
from celery_aws.cost.report import Sentences, Table, sections
from celery_aws.cost.report_json import comparison_facts
from celery_aws.cost.report_text import markdown_lines, text_lines
from celery_aws.cost.workload import Workload
from celery_aws.prices import packaged_prices

TODAY = date(2026, 11, 23)
YEN = Currency(code="JPY", rate=150)
FOUND = Comparer(packaged_prices()).compare(
    Workload(tasks=800_000, region="ap-northeast-1", highly_available=True)
)


def test_it_has_every_offer_with_what_is_against_it() -> None:
    found = {each.title: each for each in sections(FOUND, today=TODAY)}
    brokers = found["Brokers"]
    assert isinstance(brokers, Table)
    by_title = {row[0]: row[1:] for row in brokers.rows}
    assert len(by_title) == len(FOUND.brokers)
    assert by_title["ElastiCache Redis OSS, two nodes"] == ("36.50", "")
    rabbit = by_title["Amazon MQ RabbitMQ, three nodes of mq.m5.large"]
    assert rabbit[0] == "no price"
    assert "no price for mq.rabbitmq.cluster.mq.m5.large" in rabbit[1]
    verdict = found["Verdict"]
    assert isinstance(verdict, Sentences)
    assert verdict.lines[0].startswith("SQS is it: ")


def test_lines_add_up_to_the_sum() -> None:
    tables = [
        each
        for each in sections(FOUND, today=TODAY)
        if isinstance(each, Table) and each.title.startswith("What it is made of: SQS")
    ]
    (table,) = tables
    total = sum(float(row[-1]) for row in table.rows)
    assert abs(total - FOUND.ours.bill.dollars) < 0.005 * len(table.rows)
    every = [
        each
        for each in sections(FOUND, today=TODAY, all_lines=True)
        if each.title.startswith("What it is made of")
    ]
    with_lines = [each for each in (*FOUND.brokers, *FOUND.stores) if each.bill.lines]
    assert len(every) == len(with_lines)


def test_every_price_has_its_day_and_source() -> None:
    prices = list(sections(FOUND, today=TODAY))[-1]
    assert isinstance(prices, Table)
    for row in prices.rows:
        assert date.fromisoformat(row[4]) <= TODAY
        assert row[5].split(":")[0] in ("quoted", "estimated")


def test_as_text_columns_are_below_each_other() -> None:
    lines = list(text_lines(sections(FOUND, today=TODAY, currency=YEN)))
    assert lines[0].startswith("800,000 tasks a month in ap-northeast-1")
    start = lines.index("Brokers")
    table = lines[start + 1 : lines.index("", start)]
    assert "JPY a month" in table[0]
    ends = {line.index("JPY a month") + len("JPY a month") for line in table[:1]}
    (end,) = ends
    assert all(line[end - 1] != " " for line in table[1:])
    assert "5,475" in "".join(table)


def test_as_markdown_every_row_has_its_columns() -> None:
    lines = list(markdown_lines(sections(FOUND, today=TODAY)))
    assert "### Brokers" in lines
    start = lines.index("### Brokers") + 2
    assert lines[start + 1] == "| --- | ---: | --- |"
    table = lines[start : lines.index("", start)]
    assert {line.count("|") for line in table} == {4}


def test_as_json_everything_is_there() -> None:
    facts = json.loads(json.dumps(comparison_facts(FOUND, today=TODAY, currency=YEN)))
    assert facts["workload"]["network"] == "public"
    assert facts["currency"] == {"code": "JPY", "rate": 150}
    assert facts["sqs_is_it"] is True
    redis = next(each for each in facts["brokers"] if each["name"] == "elasticache-redis")
    assert redis["dollars"] == 36.5
    assert redis["amount"] == 36.5 * 150
    (line,) = redis["lines"]
    assert line["quantity"] == 1460
    assert line["as_of"] == "2026-09-11"
    cluster = next(each for each in facts["brokers"] if each["name"] == "rabbitmq-cluster")
    assert cluster["complete"] is False
    assert cluster["lines"][0]["dollars"] is None
    assert {each["other"].split("+")[0] for each in facts["break_evens"]} == {
        "elasticache-valkey",
        "elasticache-redis",
    }
    assert not any(price["old"] for price in facts["prices"])


def test_yen_have_no_hundredths() -> None:
    assert YEN.shown(1.234) == "185"
    assert Currency(code="EUR", rate=0.9).shown(1.5) == "1.35"
