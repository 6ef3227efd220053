import pytest

from celery_aws.core.messages import ReceivedMessage
from celery_aws.names import ReceiptHandle


@pytest.mark.parametrize(("receive_count", "redelivered"), [(1, False), (2, True)])
def test_a_second_receive_is_a_redelivery(receive_count: int, redelivered: bool) -> None:
    message = ReceivedMessage(
        message_id="1", body="", receipt_handle=ReceiptHandle("h"), receive_count=receive_count
    )

    assert message.redelivered is redelivered
