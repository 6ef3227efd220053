"""Which of botocore's requests become templates, and what they make."""

from typing import Any

import botocore.session
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config
from botocore.credentials import ReadOnlyCredentials

from celery_aws.aws.wire.line import answer_of
from celery_aws.aws.wire.template import RequestTemplate, template_of

KEYS = ReadOnlyCredentials("AKIDEXAMPLE", "se/cr+et", None)
TEMPORARY = ReadOnlyCredentials("ASIA", "secret", "token")


def request(
    credentials: ReadOnlyCredentials = KEYS,
    url: str | None = None,
    headers: dict[str, str | None] | None = None,
    **config: Any,
) -> AWSPreparedRequest:
    """Return a request as botocore makes it, then with headers changed or removed."""
    made, session = made_by_session()
    session.set_credentials(credentials.access_key, credentials.secret_key, credentials.token)
    client = session.create_client(
        "sqs", region_name="eu-west-1", endpoint_url=url, config=Config(**config)
    )
    client.send_message(QueueUrl="https://sqs.invalid/1/q", MessageBody="{}")
    for name, value in (headers or {}).items():
        if name in made[0].headers:
            del made[0].headers[name]
        if value is not None:
            made[0].headers[name] = value
    return made[0]


def made_by_session() -> tuple[list[AWSPreparedRequest], Any]:
    """Return the requests of a session of botocore's, which are answered here, and the session."""
    made: list[AWSPreparedRequest] = []

    def answered(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        made.append(request)
        return answer_of(request.url, 200, {}, b"{}")

    session = botocore.session.Session()
    session.register("before-send", answered)
    return made, session


def learned(*args: Any, **kwargs: Any) -> RequestTemplate:
    template = template_of(request(*args, **kwargs), args[0] if args else KEYS)
    assert template is not None
    return template


def test_a_template_says_where_requests_go(bare_environment: pytest.MonkeyPatch) -> None:
    template = learned()
    assert template.url == "https://sqs.eu-west-1.amazonaws.com/"
    assert (template.path, template.host) == ("/", "sqs.eu-west-1.amazonaws.com")
    assert template.signer.scope.of("20261123") == "20261123/eu-west-1/sqs/aws4_request"


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://localhost:4566", "localhost:4566"),
        ("http://sqs.invalid:80", "sqs.invalid"),
        ("https://sqs.invalid:443", "sqs.invalid"),
        ("http://sqs.invalid:443", "sqs.invalid:443"),
        ("http://[::1]:9", "[::1]:9"),
    ],
)
def test_a_host_is_named_as_it_is_signed(
    bare_environment: pytest.MonkeyPatch, url: str, host: str
) -> None:
    assert learned(url=url).host == host


@pytest.mark.parametrize("variable", ["AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"])
def test_the_endpoint_is_the_one_that_botocore_has_resolved(
    bare_environment: pytest.MonkeyPatch, variable: str
) -> None:
    bare_environment.setenv(variable, "true")
    assert learned().host in ("sqs-fips.eu-west-1.amazonaws.com", "sqs.eu-west-1.api.aws")


def test_requests_differ_in_number_and_body_only(bare_environment: pytest.MonkeyPatch) -> None:
    template = learned(TEMPORARY)
    first, second = (
        dict(template.request(body, TEMPORARY, timestamp="20261123T000000Z").headers)
        for body in (b"{}", b'{"a": 1}')
    )
    different = {name for name in first if first[name] != second[name]}
    assert different == {"Authorization", "Content-Length", "amz-sdk-invocation-id"}
    assert first["X-Amz-Security-Token"] == "token"
    assert (first["Content-Length"], second["Content-Length"]) == ("2", "8")


def test_credentials_with_a_token_or_of_another_account_do_not_fit(
    bare_environment: pytest.MonkeyPatch,
) -> None:
    template = learned()
    assert template.fits(ReadOnlyCredentials("other", "pair", None))
    assert not template.fits(TEMPORARY)
    assert not template.fits(_OfAccount())


@pytest.mark.parametrize(
    "table", ["celery", "arn:aws:dynamodb:eu-west-1:999999999999:table/celery"]
)
def test_an_endpoint_may_be_that_of_an_account(
    bare_environment: pytest.MonkeyPatch, table: str
) -> None:
    # Which one it is, botocore knows by the credentials and by the table's ARN.
    bare_environment.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    bare_environment.setenv("AWS_SECRET_ACCESS_KEY", "se/cr+et")
    bare_environment.setenv("AWS_ACCOUNT_ID", "123456789012")
    made, session = made_by_session()
    client = session.create_client("dynamodb", region_name="eu-west-1")
    credentials = session.get_credentials().get_frozen_credentials()
    client.put_item(TableName=table, Item={"id": {"S": "1"}})
    template = template_of(made[0], credentials)
    assert template is not None
    if getattr(credentials, "account_id", None) is not None:
        account = "999999999999" if table.startswith("arn") else "123456789012"
        assert template.host == f"{account}.ddb.eu-west-1.amazonaws.com"
        assert not template.fits(KEYS)
    assert template.fits(credentials)


class _OfAccount:
    token = None
    account_id = "123456789012"


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": None},
        {"Authorization": "Bearer token"},
        {"Authorization": "AWS4-ECDSA-P256-SHA256 Credential=x"},
        {"X-Amz-Date": None},
        {"X-Amz-Date": "20200101T000000Z"},
        {"X-Amzn-Trace-Id": "Root=1"},
        {"Content-Encoding": "gzip"},
        {"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"},
        {"X-Amz-Target": "AmazonSQS.ReceiveMessage"},
        {"amz-sdk-request": "attempt=2; max=3"},
        {"amz-sdk-invocation-id": None},
        {"User-Agent": "line\r\nbreak"},
        {"Content-Length": "3"},
    ],
    ids=repr,
)
def test_a_request_of_another_kind_is_no_template(
    bare_environment: pytest.MonkeyPatch, headers: dict[str, str | None]
) -> None:
    assert template_of(request(headers=headers), KEYS) is None


def test_a_request_that_others_have_signed_is_no_template(
    bare_environment: pytest.MonkeyPatch,
) -> None:
    other = ReadOnlyCredentials("AKIDEXAMPLE", "another secret", None)
    assert template_of(request(), other) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("url", "https://sqs.eu-west-1.amazonaws.com/?Action=SendMessage"),
        ("url", "https://sqs.eu-west-1.amazonaws.com/a%20b"),
        ("url", "https://sqs.eu-west-1.amazonaws.com:x/"),
        ("url", "https://sqs.eu-west-1.amazonaws.com/../"),
        ("method", "GET"),
        ("body", b"other"),
    ],
)
def test_a_request_that_goes_elsewhere_is_no_template(
    bare_environment: pytest.MonkeyPatch, name: str, value: object
) -> None:
    changed = request()
    setattr(changed, name, value)
    assert template_of(changed, KEYS) is None
