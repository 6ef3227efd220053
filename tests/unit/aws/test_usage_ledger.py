import os

from celery_aws.aws.usage_ledger import LEDGER_ROWS, UsageLedger
from celery_aws.core.request_usage import RequestUsage, UsageRow


def test_what_is_written_is_read() -> None:
    ledger = UsageLedger()
    assert ledger.usage() == RequestUsage()
    sends = ledger.add_row(("sqs", "SendMessage", "celery"))
    puts = ledger.add_row(("dynamodb", "PutItem", "results"))
    assert sends is not None
    assert puts is not None
    ledger.write(puts, 1, 0.5)
    ledger.write(sends, 3, 4.0)
    ledger.write(puts, 2, 1.5)
    assert ledger.usage().rows == (
        UsageRow(
            service="dynamodb", operation="PutItem", resource="results", requests=2, units=1.5
        ),
        UsageRow(service="sqs", operation="SendMessage", resource="celery", requests=3, units=4.0),
    )


def test_a_full_ledger_takes_no_more_rows() -> None:
    ledger = UsageLedger()
    longest = "t" * 255
    for number in range(LEDGER_ROWS):
        assert ledger.add_row(("dynamodb", str(number), longest)) == number + 1
    assert ledger.add_row(("dynamodb", "PutItem", longest)) is None
    assert {row.resource for row in ledger.usage().rows} == {longest}


def test_another_process_reads_it() -> None:
    ledger = UsageLedger()
    child = os.fork()
    if child == 0:
        ledger.claim()
        place = ledger.add_row(("sqs", "SendMessage", "celery"))
        ledger.write(place or 0, 5, 5.0)
        os._exit(0)
    os.waitpid(child, 0)
    assert ledger.usage().requests == 5
    assert ledger.ended


def test_it_lives_as_long_as_who_claimed_it() -> None:
    ledger = UsageLedger()
    ledger.claim()
    assert not ledger.ended


def test_who_never_claims_it_never_was() -> None:
    ledger = UsageLedger()
    assert not ledger.ended
    ledger._made_at -= 61
    assert ledger.ended
