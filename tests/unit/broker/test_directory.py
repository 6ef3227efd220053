import threading
from collections.abc import Callable
from typing import Any

import pytest

from celery_aws.aws.access import Access
from celery_aws.aws.sqs import QueueService
from celery_aws.broker.directory import QueueDirectory, broker_access, queue_directory
from celery_aws.config.broker import parse_broker_options
from celery_aws.config.urls import parse_broker_url
from celery_aws.errors import (
    AccessDeniedError,
    AlreadyExistsError,
    ConfigurationError,
    CredentialsError,
    QueueNotFoundError,
    UnreachableError,
)
from celery_aws.names import AmqpQueue, QueueName
from celery_aws.testing.memory_sqs import MemorySqs
from tests.unit.broker.conftest import NAME, PATIENCE_SECONDS, QUEUE, Bench

FIFO = AmqpQueue("orders.fifo")
URL = "https://sqs.eu-west-1.amazonaws.com/000000000000/celery"


def attributes(bench: Bench, queue: AmqpQueue) -> dict[str, str]:
    address = bench.directory.address(queue)
    return address.service.queue_attributes(address.url, ["All"])


def test_a_known_queue_costs_nothing(bench: Bench) -> None:
    bench.sqs.create_queue(NAME, {}, {})

    first = bench.directory.address(QUEUE)
    second = bench.directory.address(QUEUE)

    assert first == second
    assert bench.sqs.count("GetQueueUrl") == 1
    assert bench.sqs.count("CreateQueue") == 1


def test_a_missing_queue_is_created(bench: Bench) -> None:
    assert attributes(bench, QUEUE)["VisibilityTimeout"] == "120"


def test_a_fifo_queue_is_created_as_one(bench: Bench) -> None:
    assert attributes(bench, FIFO)["FifoQueue"] == "true"


def test_it_is_created_as_the_options_say(bench: Bench) -> None:
    bench.directory = bench.new_directory(
        visibility_timeout=90,
        queue_name_prefix="hoge-",
        **{"sqs-creation-attributes": {"MessageRetentionPeriod": 600}},
    )

    created = attributes(bench, QUEUE)

    assert created["VisibilityTimeout"] == "90"
    assert created["MessageRetentionPeriod"] == "600"
    assert created["QueueArn"].endswith(":hoge-celery")


def test_an_existing_queue_is_never_changed(bench: Bench) -> None:
    bench.sqs.create_queue(NAME, {"VisibilityTimeout": "7"}, {})

    assert attributes(bench, QUEUE)["VisibilityTimeout"] == "7"


def test_creation_can_be_forbidden(bench: Bench) -> None:
    directory = bench.new_directory(create_missing_queues=False)

    with pytest.raises(QueueNotFoundError, match="create_missing_queues"):
        directory.address(QUEUE)

    assert bench.sqs.count("CreateQueue") == 0


def test_a_missing_permission_to_create_says_so(bench: Bench) -> None:
    bench.sqs.faults.fail("CreateQueue", AccessDeniedError("not allowed", code="AccessDenied"))

    with pytest.raises(QueueNotFoundError, match="sqs:CreateQueue") as caught:
        bench.directory.address(QUEUE)

    assert isinstance(caught.value.__cause__, QueueNotFoundError)


def test_a_queue_that_another_process_made_meanwhile_is_taken(bench: Bench) -> None:
    missing = QueueNotFoundError("not yet")
    bench.sqs.create_queue(NAME, {"VisibilityTimeout": "7"}, {})
    bench.sqs.faults.fail("GetQueueUrl", missing)

    assert attributes(bench, QUEUE)["VisibilityTimeout"] == "7"


def test_many_threads_create_one_queue(bench: Bench) -> None:
    barrier = threading.Barrier(8)
    urls: list[str] = []

    def ask() -> None:
        barrier.wait()
        urls.append(bench.directory.address(QUEUE).url)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)

    assert len(urls) == 8
    assert len(set(urls)) == 1


def test_finding_never_creates_and_always_asks(bench: Bench) -> None:
    assert bench.directory.find(QUEUE) is None
    bench.sqs.create_queue(NAME, {}, {})
    assert bench.directory.find(QUEUE) is not None
    bench.sqs.delete_queue(bench.address().url)

    assert bench.directory.find(QUEUE) is None
    assert bench.sqs.count("GetQueueUrl") == 3


def test_what_exists_is_asked_for_until_it_is_found(bench: Bench) -> None:
    assert bench.directory.existing(QUEUE) is None
    bench.sqs.create_queue(NAME, {}, {})

    found = {bench.directory.existing(QUEUE) for _ in range(3)}

    assert found == {bench.directory.address(QUEUE)}
    assert bench.sqs.count("GetQueueUrl") == 2
    assert bench.sqs.count("CreateQueue") == 1


def test_a_forgotten_queue_is_asked_for_again(bench: Bench) -> None:
    bench.directory.address(QUEUE)

    bench.directory.forget(QUEUE)
    bench.directory.address(QUEUE)

    assert bench.sqs.count("GetQueueUrl") == 2


@pytest.mark.parametrize("queue", ["x" * 81, "caf\u00e9", ""])
def test_a_name_that_sqs_refuses_is_named_before_it_is_asked_for(bench: Bench, queue: str) -> None:
    with pytest.raises(ConfigurationError, match="on AWS"):
        bench.directory.address(AmqpQueue(queue))

    assert bench.sqs.calls == []


class TestPredefined:
    def directory(self, bench: Bench, **queues: Any) -> QueueDirectory:
        return bench.new_directory(predefined_queues=queues)

    def test_its_url_is_used_as_it_is(self, bench: Bench) -> None:
        directory = self.directory(bench, celery={"url": URL})

        assert directory.address(QUEUE).url == URL
        assert bench.sqs.calls == []

    def test_it_is_found_by_its_name_on_aws_too(self, bench: Bench) -> None:
        directory = bench.new_directory(
            predefined_queues={"hoge-celery": {"url": URL}}, queue_name_prefix="hoge-"
        )

        assert directory.address(QUEUE).url == URL

    def test_no_other_queue_is_looked_for(self, bench: Bench) -> None:
        directory = self.directory(bench, celery={"url": URL})

        with pytest.raises(QueueNotFoundError, match=r"predefined queues \(celery\)"):
            directory.address(AmqpQueue("other"))

        assert bench.sqs.calls == []

    @pytest.mark.parametrize(("queue", "url"), [("celery.fifo", URL), ("celery", f"{URL}.fifo")])
    def test_name_and_url_must_both_be_fifo(self, bench: Bench, queue: str, url: str) -> None:
        directory = bench.new_directory(predefined_queues={queue: {"url": url}})

        with pytest.raises(ConfigurationError, match="must both"):
            directory.address(AmqpQueue(queue))

    def test_its_own_credentials_make_their_own_service(self, bench: Bench) -> None:
        made: list[Access] = []
        options = parse_broker_options(
            {
                "predefined_queues": {
                    "celery": {
                        "url": URL,
                        "region": "us-west-2",
                        "access_key_id": "AKIAOWN",
                        "secret_access_key": "own",
                    }
                }
            }
        )

        def services(access: Access) -> QueueService:
            made.append(access)
            return bench.sqs

        QueueDirectory(options, Access(region="eu-west-1"), services).address(QUEUE)

        own = made[-1]
        assert own.region == "us-west-2"
        assert own.credentials is not None
        assert own.credentials.access_key_id == "AKIAOWN"

    def test_it_proves_the_connection(self, bench: Bench) -> None:
        directory = self.directory(bench, celery={"url": URL})

        directory.prove_reachable()

        assert [call.operation for call in bench.sqs.calls] == ["GetQueueUrl"]


class TestProof:
    def test_it_is_made_once(self, bench: Bench) -> None:
        bench.directory.prove_reachable()
        bench.directory.prove_reachable()

        assert bench.sqs.count("GetQueueUrl") == 1
        assert bench.sqs.count("CreateQueue") == 0

    def test_the_url_that_it_found_is_kept(self, bench: Bench) -> None:
        bench.sqs.create_queue(NAME, {}, {})
        bench.directory.prove_reachable()

        bench.directory.address(QUEUE)

        assert bench.sqs.count("GetQueueUrl") == 1

    @pytest.mark.parametrize(
        "answer", [QueueNotFoundError("missing"), AccessDeniedError("not allowed")]
    )
    def test_any_answer_is_proof(self, bench: Bench, answer: Exception) -> None:
        bench.sqs.faults.fail("GetQueueUrl", answer)

        bench.directory.prove_reachable()
        bench.directory.prove_reachable()

        assert bench.sqs.count("GetQueueUrl") == 1

    @pytest.mark.parametrize("error", [UnreachableError("no route"), CredentialsError("unknown")])
    def test_no_answer_and_wrong_credentials_are_none(self, bench: Bench, error: Exception) -> None:
        bench.sqs.faults.fail("GetQueueUrl", error)
        with pytest.raises(type(error)):
            bench.directory.prove_reachable()

        bench.directory.prove_reachable()

        assert bench.sqs.count("GetQueueUrl") == 2

    def test_it_is_made_again_after_a_request_was_lost(self, bench: Bench) -> None:
        bench.directory.prove_reachable()
        bench.directory.lost()

        bench.directory.prove_reachable()

        assert bench.sqs.count("GetQueueUrl") == 2


class TestOneForAProcess:
    @pytest.fixture
    def make(self, sqs: MemorySqs) -> Callable[..., QueueDirectory]:
        def services(_: Access) -> QueueService:
            return sqs

        def make(url: str = "aws+sqs://", **options: Any) -> QueueDirectory:
            given = parse_broker_options({"region": "eu-west-1", **options})
            return queue_directory(parse_broker_url(url), given, services)

        return make

    def test_and_one_configuration(self, make: Callable[..., QueueDirectory]) -> None:
        assert make() is make()

    @pytest.mark.parametrize(
        "other",
        [
            {"region": "us-west-2"},
            {"queue_name_prefix": "x-"},
            {"url": "aws+sqs://KEY:SECRET@"},
            {"url": "aws+sqs://localhost:4566"},
        ],
    )
    def test_another_configuration_has_another(
        self, make: Callable[..., QueueDirectory], other: dict[str, Any]
    ) -> None:
        assert make() is not make(**other)

    def test_secrets_that_no_text_shows_tell_them_apart(
        self, make: Callable[..., QueueDirectory]
    ) -> None:
        def queues(secret: str) -> dict[str, Any]:
            return {"celery": {"url": URL, "access_key_id": "A", "secret_access_key": secret}}

        assert make(predefined_queues=queues("1")) is not make(predefined_queues=queues("2"))


class TestAccess:
    def access(self, url: str, **options: Any) -> Access:
        return broker_access(parse_broker_url(url), parse_broker_options(options))

    def test_the_option_names_the_region_before_the_url(self) -> None:
        assert self.access("aws+sqs://us-west-2", region="eu-west-1").region == "eu-west-1"
        assert self.access("aws+sqs://us-west-2").region == "us-west-2"

    def test_a_host_is_an_endpoint(self) -> None:
        assert self.access("aws+sqs://localhost:4566").endpoint_url == "http://localhost:4566"
        assert self.access("aws+sqs://localhost", port=1).endpoint_url == "http://localhost:1"

    def test_a_role_is_assumed(self) -> None:
        role = self.access(
            "aws+sqs://eu-west-1", sts_role_arn="arn:aws:iam::111122223333:role/worker"
        ).role

        assert role is not None
        assert (role.role_arn, role.duration_seconds) == (
            "arn:aws:iam::111122223333:role/worker",
            900,
        )

    def test_a_session_token_belongs_to_the_credentials_of_the_url(self) -> None:
        credentials = self.access("aws+sqs://K:S@eu-west-1", session_token="T").credentials

        assert credentials is not None
        assert credentials.session_token == "T"


def test_the_name_on_aws_has_the_prefix(bench: Bench) -> None:
    directory = bench.new_directory(queue_name_prefix="hoge.")

    assert directory.name(QUEUE) == QueueName("hoge-celery")


def test_a_collision_that_cannot_be_found_is_an_error(bench: Bench) -> None:
    bench.sqs.faults.fail("CreateQueue", AlreadyExistsError("other attributes"))

    with pytest.raises(QueueNotFoundError):
        bench.directory.address(QUEUE)
