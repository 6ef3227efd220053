"""What a local AWS is told, and what the programs that use it are told, as environment variables.

Pure functions. Both go by name: nothing of the caller's own environment that could change
what is served, or reach a real account, gets through unnoticed. Facts: ministack 1.5.33
(``os.environ`` in ministack/app.py, core/persistence.py, services/s3.py); boto3's
configuration guide; celery/app/utils.py (``Settings.broker_url``, ``result_backend``).
"""

from collections.abc import Mapping
from pathlib import Path

LOOPBACK = "127.0.0.1"

#: The key pair that a local AWS takes for its account's root user. Not a secret: it opens
#: nothing but a server on loopback.
ACCESS_KEY_ID = "test"
SECRET_ACCESS_KEY = "test"  # noqa: S105

#: What this package and its users' tests need. Others of ministack's services would open
#: ports of their own (databases, brokers, SFTP), some of them on every interface.
SERVICES = (
    "cloudformation",
    "dynamodb",
    "dynamodbstreams",
    "events",
    "iam",
    "kms",
    "logs",
    "monitoring",
    "s3",
    "scheduler",
    "secretsmanager",
    "sns",
    "sqs",
    "ssm",
    "sts",
    "tagging",
)

#: What a Python process may need to start at all; the rest of the caller's environment stays out.
_INHERITED = (
    "HOME",
    "LANG",
    "LC_ALL",
    "LD_LIBRARY_PATH",
    "PATH",
    "PYTHONHOME",
    "PYTHONPATH",
    "TMPDIR",
)

_PROXIES = ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")


def server_environment(
    inherited: Mapping[str, str],
    *,
    port: int,
    region: str,
    data_dir: Path | None = None,
    auth: bool = False,
) -> dict[str, str]:
    """Return the whole environment of the server process.

    Args:
        inherited: the environment of this process.
        port: of the socket that it is given; it is part of the queue URLs that it hands out.
        region: for requests that do not name one.
        data_dir: folder to keep state in; None keeps it in memory.
        auth: check signatures and IAM policies.
    """
    variables = {name: inherited[name] for name in _INHERITED if name in inherited}
    variables |= {
        "AUTH": "true" if auth else "false",
        "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
        "BIND_HOST": LOOPBACK,
        # It would remove the containers of other ministacks at its start and at its end.
        "DOCKER_HOST": "unix:///nonexistent/celery-aws-uses-no-containers",
        "GATEWAY_PORT": str(port),
        # Listens on every interface where ``cryptography`` is installed.
        "IOT_MTLS_ENABLED": "0",
        "LOG_LEVEL": "WARNING",
        "MINISTACK_HOST": LOOPBACK,
        "MINISTACK_REGION": region,
        "SERVICES": ",".join(SERVICES),
        "SFTP_ENABLED": "0",
    }
    if data_dir is not None:
        variables |= {
            "PERSIST_STATE": "1",
            "STATE_DIR": str(data_dir / "state"),
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(data_dir / "s3"),
        }
    return variables


def client_environment(
    inherited: Mapping[str, str], *, port: int, region: str, table: str = "celery"
) -> dict[str, str]:
    """Return the variables that make boto3 and Celery use the server on ``port``.

    Args:
        inherited: the environment that they are added to; only its proxy settings are read.
        port: of the server.
        region: to sign requests for.
        table: name of the results table.

    Returns:
        The test credentials, the region, boto3's endpoint, and the two URLs under the names
        that Celery prefers to its own configuration.
    """
    variables = {
        "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_ENDPOINT_URL": f"http://{LOOPBACK}:{port}",
        "CELERY_BROKER_URL": f"aws+sqs://{LOOPBACK}:{port}",
        "CELERY_RESULT_BACKEND": f"aws+dynamodb://@{LOOPBACK}:{port}/{table}?region={region}",
    }
    return variables | _around_a_proxy(inherited)


def _around_a_proxy(inherited: Mapping[str, str]) -> dict[str, str]:
    # botocore sends requests to loopback through a proxy like any other.
    if not any(inherited.get(name) for name in _PROXIES):
        return {}
    # The lower-case name wins where both are set (urllib.request.getproxies_environment).
    name = "no_proxy" if "no_proxy" in inherited else "NO_PROXY"
    exempt = [part for part in inherited.get(name, "").split(",") if part]
    return {name: ",".join([*exempt, LOOPBACK] if LOOPBACK not in exempt else exempt)}
