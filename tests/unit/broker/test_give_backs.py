import threading
from collections import OrderedDict

from celery_aws.broker.give_backs import GiveBacks, give_backs


def test_it_counts_by_message() -> None:
    memory = GiveBacks()
    for message_id in ("a", "b", "a"):
        memory.note(message_id)

    assert [memory.times(each) for each in "abc"] == [2, 1, 0]


def test_the_oldest_is_forgotten_first() -> None:
    memory = GiveBacks(most=2)
    for message_id in ("a", "b", "a", "c"):
        memory.note(message_id)

    assert [memory.times(each) for each in "abc"] == [2, 0, 1]


def test_a_signal_handler_may_note_while_something_is_noted() -> None:
    """A cold shutdown cancels its consumers wherever the main thread is."""
    memory = GiveBacks()

    class Interrupted(OrderedDict[str, int]):
        def __setitem__(self, message_id: str, times: int) -> None:
            super().__setitem__(message_id, times)
            if message_id == "a":
                memory.note("b")

    memory._times = Interrupted()
    noting = threading.Thread(target=memory.note, args=("a",), daemon=True)
    noting.start()
    noting.join(1.0)

    assert not noting.is_alive()
    assert memory.times("b") == 1


def test_a_process_has_one_memory() -> None:
    assert give_backs() is give_backs()
