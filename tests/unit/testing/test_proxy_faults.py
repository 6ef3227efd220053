import pytest

from celery_aws.testing.proxy_faults import (
    EXPIRED_CREDENTIALS,
    THROTTLED,
    Cut,
    Delay,
    ErrorReply,
    Fault,
    FaultSwitches,
    HalfOpen,
    LostReply,
)

RECEIVE, PUT = "sqs.ReceiveMessage", "dynamodb.PutItem"


def switched_on(*faults: Fault) -> FaultSwitches:
    switches = FaultSwitches()
    for fault in faults:
        switches.on(fault, (), None)
    return switches


def test_without_a_fault_nothing_is_met() -> None:
    switches = FaultSwitches()

    assert (switches.before(PUT), switches.after(PUT), switches.line()) == ([], [], None)


@pytest.mark.parametrize(
    ("operations", "met"),
    [
        ((), [RECEIVE, PUT]),
        ((RECEIVE,), [RECEIVE]),
        (("sqs.*",), [RECEIVE]),
        (("s3.*", "dynamodb.*"), [PUT]),
        (("ReceiveMessage",), []),
    ],
)
def test_a_fault_is_for_all_operations_or_for_some(
    operations: tuple[str, ...], met: list[str]
) -> None:
    switches = FaultSwitches()
    switches.on(THROTTLED, operations, None)

    assert [each for each in (RECEIVE, PUT) if switches.before(each)] == met


def test_a_fault_is_used_up_by_the_requests_that_meet_it() -> None:
    switches = FaultSwitches()
    switches.on(THROTTLED, ("sqs.*",), 2)

    met = [switches.before(each) for each in (PUT, RECEIVE, PUT, RECEIVE, RECEIVE)]

    assert met == [[], [THROTTLED], [], [THROTTLED], []]


def test_a_request_meets_every_delay_and_one_end() -> None:
    first, second = Delay(seconds=1), Delay(seconds=2)
    switches = switched_on(first, THROTTLED, second, EXPIRED_CREDENTIALS)

    assert switches.before(PUT) == [first, THROTTLED]
    switches.off(THROTTLED)
    assert switches.before(PUT) == [first, second, EXPIRED_CREDENTIALS]


def test_what_is_not_met_is_not_used_up() -> None:
    switches = switched_on(THROTTLED)
    switches.on(EXPIRED_CREDENTIALS, (), 1)

    assert switches.before(PUT) == [THROTTLED]
    switches.off(THROTTLED)
    assert switches.before(PUT) == [EXPIRED_CREDENTIALS]


def test_some_faults_are_met_by_the_answer() -> None:
    late = Delay(seconds=1, of_reply=True)
    switches = switched_on(late, LostReply())

    assert switches.before(PUT) == []
    assert switches.after(PUT) == [late, LostReply()]


def test_a_fault_ends_when_it_is_switched_off() -> None:
    switches = switched_on(THROTTLED, LostReply())
    switches.off(THROTTLED)
    assert (switches.before(PUT), switches.after(PUT)) == ([], [LostReply()])

    switches.off()
    assert switches.after(PUT) == []


@pytest.mark.parametrize("fault", [Cut(), HalfOpen()])
def test_the_line_fails_unless_single_requests_are_meant(fault: Fault) -> None:
    assert switched_on(fault).line() == fault
    for operations, times in (((RECEIVE,), None), ((), 1)):
        switches = FaultSwitches()
        switches.on(fault, operations, times)
        assert switches.line() is None
        assert switches.before(RECEIVE) == [fault]
    assert switched_on(THROTTLED).line() is None


def test_each_service_has_its_own_codes() -> None:
    assert THROTTLED.code_of("sqs") == "RequestThrottled"
    assert THROTTLED.code_of("dynamodb") == "ProvisionedThroughputExceededException"
    assert THROTTLED.code_of("sts") == "ThrottlingException"


def test_a_status_that_http_does_not_know_is_refused() -> None:
    with pytest.raises(ValueError, match="999"):
        ErrorReply(status=999, code="Nonsense")
