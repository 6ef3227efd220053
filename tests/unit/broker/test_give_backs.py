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


def test_a_process_has_one_memory() -> None:
    assert give_backs() is give_backs()
