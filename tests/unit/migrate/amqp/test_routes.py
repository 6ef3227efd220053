import ssl
from typing import Any

import pytest

from celery_aws.errors import ConfigurationError
from celery_aws.migrate.amqp import routes
from celery_aws.migrate.amqp.management import Management, ManagementError
from celery_aws.migrate.amqp.queue_names import OldQueues
from celery_aws.migrate.amqp.routes import facts_of, management_of, routes_of
from celery_aws.migrate.old_app import old_app


class Silent(Management):
    """Nobody answers; notes who was asked."""

    asked: list[tuple[str, str, str]]
    answers = False

    def version(self) -> str:
        who = self._who()["Authorization"]
        type(self).asked.append((self.address, self._virtual_host, who))
        if not self.answers:
            raise ManagementError(self.address, "nobody")
        return "3"

    def queues(self) -> Any:
        raise ManagementError(self.address, "401", status=401)

    exchanges = bindings = queues


@pytest.fixture(autouse=True)
def silent(monkeypatch: pytest.MonkeyPatch) -> type[Silent]:
    monkeypatch.setattr(routes, "Management", Silent)
    monkeypatch.setattr(Silent, "asked", [], raising=False)
    return Silent


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("amqp://u:p@host/prod", [("http://u:**@host:15672/", "prod")]),
        ("amqp://u:p@host//", [("http://u:**@host:15672/", "%2F")]),
        (
            "amqps://u:p@host//",
            [("https://u:**@host:443/", "%2F"), ("https://u:**@host:15671/", "%2F")],
        ),
    ],
)
def test_the_api_is_looked_for_on_the_host_and_over_tls_if_the_broker_has_it(
    silent: type[Silent], url: str, expected: list[tuple[str, str]]
) -> None:
    assert management_of(old_app(broker_url=url), None) is None
    assert [each[:2] for each in silent.asked] == expected


def test_a_url_that_is_given_has_to_answer(silent: type[Silent]) -> None:
    app = old_app(broker_url="amqp://u:p%40@host//")
    with pytest.raises(ManagementError):
        management_of(app, "http://other:1234")
    with pytest.raises(ManagementError):
        management_of(app, "http://me:mine@other:1234")
    own, given = (each[2] for each in silent.asked)
    assert own == "Basic dTpwQA=="  # u:p@
    assert given == "Basic bWU6bWluZQ=="
    with pytest.raises(ConfigurationError):
        management_of(app, "ftp://other")


def test_a_user_without_rights_is_as_no_api(silent: type[Silent]) -> None:
    management = Silent("http://host", "/")
    assert facts_of(management) is None
    assert facts_of(None) is None
    app = old_app(broker_url="amqp://")
    assert routes_of(OldQueues.of(app), management).queues == frozenset()


def test_tls_trusts_what_the_broker_s_does(tmp_path: Any) -> None:
    assert routes._tls_context(True).verify_mode is ssl.CERT_REQUIRED
    broken = tmp_path / "ca.pem"
    broken.write_text("no certificate")
    with pytest.raises(ssl.SSLError):
        routes._tls_context({"ca_certs": str(broken)})
