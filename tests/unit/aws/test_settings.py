import importlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

import celery_aws
from celery_aws.aws.meter import request_counts
from celery_aws.errors import ConfigurationError, UnreachableError
from tests.unit.aws.canned import Answer, CannedAws, refusal

WHERE = "AWS_SECRETS_MANAGER_SECRET_ID"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCY/EXAMPLEKEY"
ENCODED = "wJalrXUtnFEMI%2FK7MDENG%2BbPxRfiCY%2FEXAMPLEKEY"


@pytest.fixture
def environment(bare_environment: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    bare_environment.setenv("AWS_REGION", "ap-northeast-1")
    return bare_environment


@pytest.fixture
def secret(environment: pytest.MonkeyPatch, canned_aws: CannedAws) -> CannedAws:
    """A Secrets Manager that the default chain may use; tests lay the secret out."""
    environment.setenv("AWS_ACCESS_KEY_ID", "AKIDCHAIN")
    environment.setenv("AWS_SECRET_ACCESS_KEY", "chain")
    environment.setenv("AWS_ENDPOINT_URL", canned_aws.url)
    environment.setenv(WHERE, "web/celery")
    return canned_aws


def lay_out(aws: CannedAws, **variables: Any) -> None:
    aws.answer("GetSecretValue", Answer(body={"SecretString": json.dumps(variables)}))


def dotenv(*lines: str) -> None:
    Path(".env").write_text("\n".join(lines) + "\n")


def refused(**values: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        celery_aws.load_settings(**values)
    return str(caught.value)


def test_the_configuration_that_the_project_comes_from(environment: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ACCESS_KEY": "AKIDEXAMPLE",
        "AWS_SECRET_KEY": SECRET,
        "AWS_SQS_VISIBILITY_TIMEOUT": "3600",
        "AWS_SQS_POLLING_INTERVAL": "1",
        "AWS_SQS_WAIT_TIME_SECONDS": "15",
        "AWS_SQS_QUEUE_NAME_PREFIX": "hoge-",
        "AWS_DYNAMODB_TABLE_NAME": "hoge-results",
    }.items():
        environment.setenv(name, value)
    assert celery_aws.load_settings().celery_config() == {
        "broker_url": f"aws+sqs://AKIDEXAMPLE:{ENCODED}@",
        "broker_transport_options": {
            "region": "ap-northeast-1",
            "visibility_timeout": 3600,
            "polling_interval": 1.0,
            "wait_time_seconds": 15,
            "queue_name_prefix": "hoge-",
            "create_missing_queues": True,
            "create_coordination_table": True,
        },
        "result_backend": f"aws+dynamodb://AKIDEXAMPLE:{ENCODED}@ap-northeast-1/hoge-results",
        "result_backend_transport_options": {"create_table": True},
    }


def test_the_usual_pair_of_the_process_is_left_to_boto3(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    environment.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    environment.setenv("AWS_SESSION_TOKEN", "token")
    dotenv("AWS_ACCESS_KEY_ID=AKIDFILE", "AWS_SECRET_ACCESS_KEY=file", "AWS_SESSION_TOKEN=file")
    config = celery_aws.load_settings().celery_config()
    assert config["broker_url"] == "aws+sqs://"
    assert config["result_backend"] == "aws+dynamodb://@ap-northeast-1/celery"
    assert "session_token" not in str(config)


def test_a_pair_of_a_dotenv_file_goes_into_the_urls(environment: pytest.MonkeyPatch) -> None:
    dotenv(
        "AWS_ACCESS_KEY_ID=AKIDFILE",
        f"AWS_SECRET_ACCESS_KEY='{SECRET}'",
        "AWS_SESSION_TOKEN=token",
        "DEBUG=1",
        "DATABASE_URL=postgres://web",
    )
    config = celery_aws.load_settings().celery_config()
    assert config["broker_url"] == f"aws+sqs://AKIDFILE:{ENCODED}@"
    assert config["broker_transport_options"]["session_token"] == "token"
    assert config["result_backend_transport_options"]["session_token"] == "token"


def test_keywords_beat_the_environment_and_it_beats_the_file(
    environment: pytest.MonkeyPatch,
) -> None:
    dotenv("AWS_REGION=eu-west-1", "AWS_SQS_WAIT_TIME_SECONDS=1", "AWS_SQS_POLLING_INTERVAL=0.5")
    environment.setenv("AWS_SQS_WAIT_TIME_SECONDS", "2")
    environment.setenv("AWS_SQS_VISIBILITY_TIMEOUT", "2")
    settings = celery_aws.load_settings(visibility_timeout=3, table_name=None)
    assert (settings.region, settings.polling_interval) == ("ap-northeast-1", 0.5)
    assert (settings.wait_time_seconds, settings.visibility_timeout) == (2, 3)
    assert settings.table_name == "celery"


def test_any_name_in_the_environment_beats_any_in_the_file(
    bare_environment: pytest.MonkeyPatch,
) -> None:
    dotenv("AWS_REGION=eu-west-1")
    bare_environment.setenv("AWS_DEFAULT_REGION", "eu-west-2")
    assert celery_aws.load_settings().region == "eu-west-2"


def test_the_file_may_be_elsewhere_or_nowhere(
    bare_environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    dotenv("AWS_REGION=eu-west-1")
    Path("other.env").write_text("AWS_REGION=eu-west-2")
    assert celery_aws.load_settings("other.env").region == "eu-west-2"
    assert celery_aws.load_settings(tmp_path / "other.env").region == "eu-west-2"
    bare_environment.setenv("AWS_REGION", "eu-west-3")
    assert celery_aws.load_settings(None).region == "eu-west-3"
    assert celery_aws.load_settings("missing.env").region == "eu-west-3"


def test_a_file_that_is_no_text_is_refused_without_its_content(
    environment: pytest.MonkeyPatch,
) -> None:
    Path(".env").write_bytes(b"AWS_SECRET_KEY=s3cr3t\xff\n")
    message = refused()
    assert "env_file: '.env' cannot be read as UTF-8 text" in message
    assert "s3cr3t" not in message


def test_variables_that_are_set_but_empty_are_not_given(environment: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY", "AWS_SECRET_KEY", "AWS_SQS_VISIBILITY_TIMEOUT",
                 "AWS_ENDPOINT_URL", "AWS_SQS_QUEUE_NAME_PREFIX", WHERE):  # fmt: skip
        environment.setenv(name, "")
    settings = celery_aws.load_settings()
    assert settings == celery_aws.Settings(region="ap-northeast-1")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("AWS_SQS_VISIBILITY_TIMEOUT", "abc", "= 'abc': must be a whole number from 1 to 43200"),
        ("AWS_SQS_VISIBILITY_TIMEOUT", "99999", "= '99999': must be a whole number from 1 to"),
        ("AWS_SQS_WAIT_TIME_SECONDS", "21", "= '21': must be a whole number from 0 to 20"),
        ("AWS_SQS_POLLING_INTERVAL", "-1", "= '-1': must be a number of at least 0 (seconds)"),
        ("AWS_DYNAMODB_TABLE_NAME", "a b", "= 'a b': must be 3 to 255 letters"),
        ("AWS_DYNAMODB_TTL_SECONDS", "-2", "= '-2': must be a whole number of at least -1"),
        ("AWS_ENDPOINT_URL", "http://me:s3cr3t@host", "= 'http://**@host': must be a URL"),
        ("AWS_SQS_CREATE_MISSING_QUEUES", "perhaps", "= 'perhaps': must be true or false"),
    ],
)
def test_a_wrong_value_names_its_variable_and_range(
    environment: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    environment.setenv(name, value)
    assert f"{name} {words}" in refused()


def test_half_a_pair_is_found_when_settings_are_loaded(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AWS_ACCESS_KEY", "AKIDEXAMPLE")
    assert refused().startswith("AWS_SECRET_KEY is missing: AWS_ACCESS_KEY is given")
    dotenv("AWS_SECRET_KEY=secret")
    assert celery_aws.load_settings().credentials() is not None


def test_no_region_anywhere(bare_environment: pytest.MonkeyPatch) -> None:
    assert refused().startswith("AWS_REGION: no AWS region.")
    bare_environment.setenv("AWS_ENDPOINT_URL_SQS", "http://localhost:4566")
    assert celery_aws.load_settings().region == "us-east-1"


def test_a_misspelt_keyword(environment: pytest.MonkeyPatch) -> None:
    assert "Did you mean 'queue_name_prefix'" in refused(queue_prefix="hoge-")


def test_a_secret_gives_what_no_other_source_does(
    secret: CannedAws, environment: pytest.MonkeyPatch
) -> None:
    lay_out(
        secret,
        AWS_ACCESS_KEY="AKIDSECRET",
        AWS_SECRET_KEY=SECRET,
        AWS_REGION="us-west-1",
        AWS_SQS_WAIT_TIME_SECONDS=10,
        AWS_SQS_POLLING_INTERVAL="2",
        OTHER={"a": 1},
    )
    environment.setenv("AWS_SQS_POLLING_INTERVAL", "3")
    settings = celery_aws.load_settings()
    assert (settings.wait_time_seconds, settings.polling_interval) == (10, 3.0)
    assert settings.region == "ap-northeast-1"
    assert settings.celery_config()["broker_url"] == f"aws+sqs://AKIDSECRET:{ENCODED}@"
    assert secret.parameters("GetSecretValue") == [{"SecretId": "web/celery"}]
    assert secret.asked[0].access_key_id == "AKIDCHAIN"
    assert request_counts() == {"secrets-manager.GetSecretValue": 1}


def test_the_usual_pair_of_a_secret_does_not_replace_that_of_the_process(
    secret: CannedAws,
) -> None:
    lay_out(secret, AWS_ACCESS_KEY_ID="AKIDSECRET", AWS_SECRET_ACCESS_KEY="x")
    assert celery_aws.load_settings().credentials() is None


def test_a_secret_may_be_named_by_keyword_and_read_with_the_pair_of_a_file(
    secret: CannedAws, environment: pytest.MonkeyPatch
) -> None:
    for name in (WHERE, "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        environment.delenv(name)
    dotenv("AWS_ACCESS_KEY=AKIDFILE", "AWS_SECRET_KEY=file")
    lay_out(secret, AWS_SQS_QUEUE_NAME_PREFIX="hoge-")
    arn = "arn:aws:secretsmanager:eu-west-3:123456789012:secret:web/celery-AbCdEf"
    assert celery_aws.load_settings(secret_id=arn).queue_name_prefix == "hoge-"
    assert secret.asked[0].access_key_id == "AKIDFILE"
    assert "/eu-west-3/secretsmanager/" in secret.asked[0].headers["Authorization"]


def test_half_a_pair_may_be_completed_by_the_secret(
    secret: CannedAws, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("AWS_ACCESS_KEY", "AKIDEXAMPLE")
    lay_out(secret, AWS_SECRET_KEY=SECRET)
    assert f"AKIDEXAMPLE:{ENCODED}@" in celery_aws.load_settings().celery_config()["broker_url"]
    lay_out(secret, AWS_REGION="eu-west-1")
    assert refused().startswith("AWS_SECRET_KEY is missing")


def test_a_wrong_value_in_a_secret_names_its_variable(secret: CannedAws) -> None:
    lay_out(secret, AWS_SQS_WAIT_TIME_SECONDS=[21])
    assert "AWS_SQS_WAIT_TIME_SECONDS = a value of type list: must be a whole" in refused()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (refusal("ResourceNotFoundException", "can't find it"), "there is no secret 'web/celery'"),
        (refusal("AccessDeniedException", "not authorized"), "secretsmanager:GetSecretValue"),
        (refusal("DecryptionFailure", "key is off"), "cannot be read.*key is off"),
        (refusal("UnrecognizedClientException", "no such key"), "Check the access key"),
        (Answer(body={"SecretString": "s3cr3t"}), "is not a JSON object. Store it as key/value"),
        (Answer(body={"SecretString": '["s3cr3t"]'}), "is not a JSON object"),
        (Answer(body={"SecretBinary": "czNjcjN0"}), "is not a JSON object"),
    ],
)
def test_a_secret_that_cannot_be_used(secret: CannedAws, answer: Answer, words: str) -> None:
    secret.answer("GetSecretValue", answer)
    with pytest.raises(ConfigurationError, match=rf"^{WHERE}: .*{words}") as caught:
        celery_aws.load_settings()
    assert caught.value.where == WHERE
    assert "s3cr3t" not in f"{caught.value} {caught.value.__cause__}"
    assert "table" not in str(caught.value)


def test_secrets_manager_out_of_reach_may_come_back(secret: CannedAws) -> None:
    secret.answer("GetSecretValue", Answer(drop=True))
    with pytest.raises(UnreachableError, match="secretsmanager GetSecretValue for web/celery"):
        celery_aws.load_settings()


def test_a_celeryconfig_of_three_lines(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment.setenv("AWS_SQS_QUEUE_NAME_PREFIX", "hoge-")
    (tmp_path / "celeryconfig_of_three.py").write_text(
        "import celery_aws\n\nglobals().update(celery_aws.load_settings().celery_config())\n"
    )
    environment.syspath_prepend(tmp_path)
    app = Celery("web", set_as_current=False)
    app.config_from_object("celeryconfig_of_three")
    assert_configured(app)
    del sys.modules["celeryconfig_of_three"]
    importlib.invalidate_caches()


def test_djangos_namespace(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AWS_SQS_QUEUE_NAME_PREFIX", "hoge-")
    django_settings = type("Settings", (), celery_aws.load_settings().celery_config("CELERY"))
    app = Celery("web", set_as_current=False)
    app.config_from_object(django_settings, namespace="CELERY")
    assert_configured(app)


def test_a_plain_update(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AWS_SQS_QUEUE_NAME_PREFIX", "hoge-")
    app = Celery("web", set_as_current=False)
    app.conf.update(celery_aws.load_settings().celery_config())
    assert_configured(app)


def test_a_report_shows_no_secret(environment: pytest.MonkeyPatch) -> None:
    settings = celery_aws.load_settings(
        access_key="AKIDEXAMPLE", secret_key="s3cr3t/", session_token="t0ken"
    )
    app = Celery("web", set_as_current=False)
    # How the broker's URL is masked is the transport's own affair.
    app.conf.update(settings.celery_config() | {"broker_url": "memory://"})
    report = app.bugreport()
    assert "s3cr3t" not in report
    assert "t0ken" not in report
    assert "AKIDEXAMPLE" in report


def assert_configured(app: Celery) -> None:
    assert app.conf.broker_url == "aws+sqs://"
    assert app.conf.broker_transport_options["queue_name_prefix"] == "hoge-"
    assert app.conf.result_backend == "aws+dynamodb://@ap-northeast-1/celery"
    assert app.conf.result_backend_transport_options == {"create_table": True}
