import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from kombu.utils.url import safequote

from celery_aws.config.credentials import Credentials
from celery_aws.config.urls import (
    BrokerUrl,
    Endpoint,
    ResultUrl,
    looks_like_region,
    parse_broker_url,
    parse_result_url,
)
from celery_aws.errors import ConfigurationError

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCY/EXAMPLEKEY"
PAIR = Credentials(access_key_id="AKIDEXAMPLE", secret_access_key=SECRET)
ENCODED = f"{safequote('AKIDEXAMPLE')}:{safequote(SECRET)}"

#: Anything that UTF-8 can hold.
texts = st.text(st.characters(codec="utf-8"), min_size=1)
#: A secret that no other part of a URL could hold by chance.
secrets = texts.map(lambda text: f"{text}s3cr3t{text}")


@pytest.mark.parametrize("prefix", ["aws+sqs", "sqs"])
@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        ("", {}),
        ("@", {}),
        ("/", {}),
        (f"{ENCODED}@", {"credentials": PAIR}),
        ("localhost:4566", {"endpoint": Endpoint(host="localhost", port=4566)}),
        ("local_aws", {"endpoint": Endpoint(host="local_aws")}),
        ("[::1]:4566", {"endpoint": Endpoint(host="::1", port=4566)}),
        (f"{ENCODED}@localhost:4566/",
         {"credentials": PAIR, "endpoint": Endpoint(host="localhost", port=4566)}),
        (f"{ENCODED}@eu-west-1", {"credentials": PAIR, "region": "eu-west-1"}),
        ("eu-west-1:80", {"endpoint": Endpoint(host="eu-west-1", port=80)}),
    ],
)  # fmt: skip
def test_forms_of_a_broker_url(prefix: str, rest: str, expected: dict[str, object]) -> None:
    url = parse_broker_url(f"{prefix}://{rest}")
    found = {"credentials": url.credentials, "endpoint": url.endpoint, "region": url.region}
    assert {key: value for key, value in found.items() if value is not None} == expected
    assert url.scheme == prefix


def test_forms_of_a_result_url() -> None:
    url = parse_result_url(f"aws+dynamodb://{ENCODED}@localhost:8000/web?region=eu-west-1&read=")
    assert url == ResultUrl(
        scheme="aws+dynamodb",
        credentials=PAIR,
        endpoint=Endpoint(host="localhost", port=8000),
        table="web",
        query={"region": "eu-west-1", "read": ""},
    )
    assert parse_result_url("dynamodb://@eu-west-1").table is None
    assert parse_result_url("dynamodb://@eu-west-1/").region == "eu-west-1"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "'aws\\+sqs://'"),
        ("redis://localhost", "'redis' is not for this package"),
        (f"{ENCODED}@sqs://", "this text is not for this package"),
        ("aws+sqs://AKID@", "access key is given without its secret"),
        ("aws+sqs://:secret@", "a secret is given without its access key"),
        ("aws+sqs://localhost:port", "port is not a number.*Percent-encode"),
        ("aws+sqs://localhost:0", "port is not a number"),
        ("aws+sqs://localhost:65536", "port is not a number"),
        ("aws+sqs://:80", "a port without a host"),
        ("aws+sqs:///queue", "queue_name_prefix"),
        ("aws+sqs://?region=x", "broker_transport_options"),
        ("aws+sqs://AKID:a#b@", "port is not a number"),
        ("aws+sqs://localhost#x", "Percent-encode"),
        ("aws+sqs://[::1", "not a host"),
        ("aws+sqs://local host", "invisible"),
        ("aws+sqs://a%2Fb", "neither a name nor an address"),
        (f"aws+sqs://AKID:{SECRET}@", "Percent-encode"),
        (f"aws+sqs://AKID:12/{SECRET}@", "Percent-encode"),
    ],
)
def test_a_broker_url_that_cannot_be_one(url: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words) as caught:
        parse_broker_url(url)
    assert caught.value.where == "broker_url"
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("aws+sqs://", "'aws\\+sqs' is not for this package.*'aws\\+dynamodb://@eu-west-1/table'"),
        ("dynamodb://@eu-west-1/a/b", "one table"),
        ("dynamodb://AKID:1/2@eu-west-1/table", "Percent-encode"),
        ("dynamodb://AKID:1?2@eu-west-1/table", "Percent-encode"),
        ("dynamodb://@eu-west-1/table?session_token=x", "result_backend_transport_options"),
        ("dynamodb://@eu-west-1/table?secret_access_key=x", "result_backend_transport_options"),
    ],
)
def test_a_result_url_that_cannot_be_one(url: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words) as caught:
        parse_result_url(url)
    assert caught.value.where == "result_backend"


@given(key=texts, secret=secrets)
@example(key="AKID", secret=SECRET)
@example(key="@", secret=":")
def test_any_pair_survives_percent_encoding(key: str, secret: str) -> None:
    pair = Credentials(access_key_id=key, secret_access_key=secret)
    encoded = f"{safequote(key)}:{safequote(secret)}"
    broker = parse_broker_url(f"aws+sqs://{encoded}@eu-west-1")
    results = parse_result_url(f"aws+dynamodb://{encoded}@eu-west-1/table")
    assert broker.credentials == results.credentials == pair
    assert parse_broker_url(broker.as_uri(include_password=True)) == broker
    assert parse_result_url(results.as_uri(include_password=True)) == results


@given(secret=secrets, query=st.dictionaries(st.sampled_from(["region", "read"]), texts))
def test_a_masked_url_never_holds_the_secret(secret: str, query: dict[str, str]) -> None:
    pair = Credentials(access_key_id="AKID", secret_access_key=secret)
    endpoint = Endpoint(host="localhost", port=1)
    broker = BrokerUrl(scheme="aws+sqs", credentials=pair, endpoint=endpoint)
    results = ResultUrl(scheme="aws+dynamodb", credentials=pair, table="web", query=query)
    for shown in (broker.as_uri(), results.as_uri(), repr(broker), repr(results)):
        assert "s3cr3t" not in shown
    assert broker.as_uri() == "aws+sqs://AKID:**@localhost:1"
    assert broker.as_uri(mask="x") == "aws+sqs://AKID:x@localhost:1"


@given(url=st.one_of(st.text(), st.from_regex(r"(aws\+)?(sqs|dynamodb)://.*")))
@example("sqs://[")
@example("sqs://a℀b")
@example("sqs://\ud800:x@")
def test_any_text_is_a_url_or_a_configuration_error(url: str) -> None:
    for parse in (parse_broker_url, parse_result_url):
        try:
            parsed = parse(url)
        except ConfigurationError:
            continue
        assert parse(parsed.as_uri(include_password=True)) == parsed


@given(
    secret=st.text("abcXYZ/+@#?:=[]% ", min_size=4).map(lambda text: f"s3cr3t{text}s3cr3t"),
    form=st.sampled_from(
        ["aws+sqs://AKID:{}@", "sqs://AKID:{}@eu-west-1", "AKID:{}@sqs://", "{}://AKID:x@",
         "aws+dynamodb://AKID:{}@eu-west-1/table", "dynamodb://AKID:12/{}@eu-west-1/table",
         "aws+sqs://AKID:12/{}@", "aws+sqs://[{}@", "{}"]
    ),
)  # fmt: skip
@example(secret="s3cr3t:::]s3cr3t", form="aws+sqs://[{}@")
def test_no_error_shows_a_secret_that_was_not_encoded(secret: str, form: str) -> None:
    for parse in (parse_broker_url, parse_result_url):
        try:
            shown = parse(form.format(secret)).as_uri()
        except ConfigurationError as error:
            shown = f"{error} {error.__cause__}"
        assert "s3cr3t" not in shown


@pytest.mark.parametrize(
    ("endpoint", "is_secure", "expected"),
    [
        (Endpoint(host="localhost", port=4566), None, "http://localhost:4566"),
        (Endpoint(host="localhost", port=4566), True, "https://localhost:4566"),
        (Endpoint(host="proxy", port=443), None, "https://proxy:443"),
        (Endpoint(host="sqs.eu-west-1.amazonaws.com"), None,
         "https://sqs.eu-west-1.amazonaws.com"),
        (Endpoint(host="vpce-1.sqs.eu-west-1.vpce.amazonaws.com", port=80), False,
         "http://vpce-1.sqs.eu-west-1.vpce.amazonaws.com:80"),
        (Endpoint(host="::1", port=4566), None, "http://[::1]:4566"),
    ],
)  # fmt: skip
def test_the_url_of_an_endpoint(endpoint: Endpoint, is_secure: bool | None, expected: str) -> None:
    assert endpoint.url(is_secure=is_secure) == expected


@pytest.mark.parametrize("url", ["aws+sqs://[::1]:4566", "aws+sqs://eu-west-1", "sqs://"])
def test_a_url_without_a_secret_is_shown_as_it_is(url: str) -> None:
    assert parse_broker_url(url).as_uri() == url


def test_another_scheme_may_be_shown() -> None:
    assert parse_broker_url("sqs://localhost", scheme="aws+sqs").as_uri() == "aws+sqs://localhost"


def test_regions_and_hosts_are_told_apart() -> None:
    regions = ("ap-northeast-1", "us-gov-west-1", "cn-north-1", "us-iso-east-1", "eusc-de-east-1")
    assert [region for region in regions if not looks_like_region(region)] == []
    assert not any(looks_like_region(host) for host in ("localhost", "my-sqs-1", "eu-west-1.x", ""))
