import os

import boto3
import pytest
from celery import Celery

from celery_aws.local import LocalAws
from celery_aws.testing.fixtures import AwsEnvironment

SEEN: set[str] = set()


def test_the_environment_is_of_the_local_aws(
    local_aws: LocalAws, aws_environment: AwsEnvironment
) -> None:
    assert os.environ["AWS_ENDPOINT_URL"] == local_aws.endpoint_url == aws_environment.endpoint_url
    queue = f"{aws_environment.queue_name_prefix}celery"
    url = boto3.client("sqs").create_queue(QueueName=queue)["QueueUrl"]
    assert url.startswith(local_aws.endpoint_url)


def test_an_app_takes_its_configuration(aws_environment: AwsEnvironment) -> None:
    app = Celery("shop")
    app.conf.update(aws_environment.celery_config())
    assert app.conf.broker_url == aws_environment.broker_url
    assert app.conf.result_backend == aws_environment.result_backend
    options = app.conf.broker_transport_options
    assert options["queue_name_prefix"] == aws_environment.queue_name_prefix


@pytest.mark.parametrize("attempt", ["first", "second"])
def test_every_test_has_names_of_its_own(attempt: str, aws_environment: AwsEnvironment) -> None:
    names = {aws_environment.queue_name_prefix, aws_environment.results_table}
    assert not names & SEEN, attempt
    SEEN.update(names)


def test_a_users_project_needs_one_line(pytester: pytest.Pytester) -> None:
    pytester.makeconftest('pytest_plugins = ["celery_aws.testing.fixtures"]')
    pytester.makepyfile(
        """
        import os

        def test_uses_it(aws_environment):
            assert os.environ["CELERY_BROKER_URL"] == aws_environment.broker_url
        """
    )
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)
