"""Amazon MQ has amqps:// only: with a certificate of our own here."""

import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import Celery

from celery_aws.errors import BrokerLostError
from celery_aws.migrate.amqp import line
from celery_aws.migrate.amqp.target import AmqpTarget
from celery_aws.migrate.messages import Carried, Sent
from celery_aws.migrate.old_app import old_app
from tests.integration.migrate.amqp.conftest import MakeSource, drain, ids
from tests.servers import RabbitServer, rabbitmq_server


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    key = ["-newkey", "rsa:2048", "-nodes", "-keyout", str(path.with_suffix(".key"))]
    subprocess.run(
        [openssl, "req", "-x509", "-days", "2", *key, "-out", str(path), *subject],
        check=True,
        capture_output=True,
    )
    return path


@pytest.fixture(scope="module")
def server(certificate: Path) -> Iterator[RabbitServer]:
    with rabbitmq_server(certificate=certificate) as running:
        yield running


def app_of(server: RabbitServer, **settings: object) -> Celery:
    app = old_app(broker_url=f"amqps://guest:guest@127.0.0.1:{server.tls_port}//")
    app.conf.update(settings)
    assert isinstance(app, Celery)
    return app


def test_messages_go_out_and_in_over_tls(
    server: RabbitServer, certificate: Path, make_source: MakeSource
) -> None:
    options = {"ca_certs": str(certificate), "cert_reqs": ssl.CERT_REQUIRED}
    app = app_of(server, broker_use_ssl={**options, "server_hostname": "127.0.0.1"})
    sent = app.send_task("t")
    url = server.management_url
    claims = drain(make_source(app, "celery", management_url=url))
    assert ids(claims) == [sent.id]
    [message] = [each.message for each in claims if isinstance(each.message, Carried)]
    target = AmqpTarget(app)
    assert target.send([message]) == [Sent(message_id="")]
    target.close()
    assert ids(drain(make_source(app, "celery"))) == [sent.id]
    app.close()


def test_a_certificate_of_nobody_is_not_trusted(
    server: RabbitServer, make_source: MakeSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line, "_ATTEMPTS", 1)
    options = {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": "127.0.0.1"}
    app = app_of(server, broker_use_ssl=options)
    with pytest.raises(BrokerLostError, match="CERTIFICATE_VERIFY_FAILED"):
        make_source(app, "celery").claim(1)
