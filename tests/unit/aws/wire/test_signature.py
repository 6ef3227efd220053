"""Our signatures are botocore's, for any request."""

from datetime import datetime, timedelta, timezone

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from hypothesis import given, settings
from hypothesis import strategies as st

from celery_aws.aws.wire.signature import Scope, Signer

visible = st.characters(min_codepoint=33, max_codepoint=126)
secrets = st.text(visible, min_size=1, max_size=60)
keys = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", min_size=16, max_size=20)
times = st.datetimes(datetime(2020, 1, 1), datetime(2099, 1, 1))  # noqa: DTZ001
scopes = st.builds(
    Scope,
    st.sampled_from(["eu-west-1", "us-gov-west-1", "cn-north-1"]),
    st.sampled_from(["sqs", "dynamodb"]),
)


def botocores(
    credentials: ReadOnlyCredentials, scope: Scope, timestamp: str, path: str, body: bytes
) -> AWSRequest:
    headers = {
        "X-Amz-Target": "AmazonSQS.SendMessage",
        "Content-Type": "application/x-amz-json-1.0",
        "User-Agent": "is not signed",
        "X-Amz-Date": timestamp,
    }
    if credentials.token:
        headers["X-Amz-Security-Token"] = credentials.token
    request = AWSRequest("POST", f"https://sqs.invalid:8443{path}", headers=headers, data=body)
    request.context["timestamp"] = timestamp
    signer = SigV4Auth(credentials, scope.service, scope.region)
    text = signer.string_to_sign(request, signer.canonical_request(request))
    signer._inject_signature_to_request(request, signer.signature(text, request))
    return request


@settings(max_examples=300, deadline=None)
@given(
    key=keys,
    secret=secrets,
    token=st.none() | secrets,
    scope=scopes,
    at=times,
    path=st.sampled_from(["/", "/123456789012/tasks", "/~a/b.c_d-e"]),
    body=st.binary(max_size=2_000),
)
def test_a_signature(
    key: str,
    secret: str,
    token: str | None,
    scope: Scope,
    at: datetime,
    path: str,
    body: bytes,
) -> None:
    credentials = ReadOnlyCredentials(key, secret, token)
    timestamp = at.strftime("%Y%m%dT%H%M%SZ")
    theirs = botocores(credentials, scope, timestamp, path, body)
    values = {name.lower(): value for name, value in theirs.headers.items()}
    names = theirs.headers["Authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
    signed = {name: {**values, "host": "sqs.invalid:8443"}[name] for name in names}
    ours = Signer(scope).authorization(credentials, timestamp, path, signed, body)
    assert ours == theirs.headers["Authorization"]


def test_a_signer_outlives_days_and_credentials() -> None:
    scope = Scope("eu-west-1", "sqs")
    signer = Signer(scope)
    day = datetime(2026, 12, 31, 23, 59, 59, tzinfo=timezone.utc)
    for secret in ("one", "two", "one"):
        for at in (day, day + timedelta(seconds=1), day):
            credentials = ReadOnlyCredentials("AKIDEXAMPLE", secret, None)
            timestamp = at.strftime("%Y%m%dT%H%M%SZ")
            theirs = botocores(credentials, scope, timestamp, "/", b"{}")
            signed = {
                "content-type": "application/x-amz-json-1.0",
                "host": "sqs.invalid:8443",
                "x-amz-date": timestamp,
                "x-amz-target": "AmazonSQS.SendMessage",
            }
            ours = signer.authorization(credentials, timestamp, "/", signed, b"{}")
            assert ours == theirs.headers["Authorization"]


def test_a_signer_shows_no_secret() -> None:
    signer = Signer(Scope("eu-west-1", "sqs"))
    signer.authorization(ReadOnlyCredentials("AK", "hush", None), "20261123T000000Z", "/", {}, b"")
    assert "hush" not in repr(signer)
    assert signer._key[1].hex() not in repr(signer)
