"""Who asks: whether AWS knows them, and where their keys come from."""

from collections.abc import Iterator

from celery_aws.aws.access import reaches_aws
from celery_aws.aws.errors import ASSUME_ROLE
from celery_aws.doctor.examined import Connection
from celery_aws.doctor.facts import Facts
from celery_aws.doctor.finding import Finding, Kind, error, notice, warning
from celery_aws.errors import (
    AwsError,
    CeleryAwsError,
    CredentialsError,
    ExpiredCredentialsError,
    UnreachableError,
)

REFUSED = error(
    "credentials-refused",
    "There are no credentials, or AWS does not know them.",
    "Check the access key and secret (percent-encoded in a URL), or remove them to use boto3's "
    "default chain",
)
EXPIRED = error(
    "credentials-expired",
    "The credentials were right and have run out, or this machine's clock is far off.",
    "Renew the credentials, or use a role so that they are renewed by themselves",
)
ROLE = error(
    "role-not-assumed",
    "The role of sts_role_arn could not be assumed.",
    "Let the role's trust policy name who asks, and grant sts:AssumeRole on the role to them",
)
FAILED = notice(
    "identity-unknown",
    "STS did not say who asks, so that ARNs cannot be compared. Tasks do not need it.",
    "Nothing has to be done; in a private subnet add a VPC endpoint of STS to know more",
)
ROOT = warning(
    "root-user",
    "The root user of the account asks: its keys may do everything, and no policy limits them.",
    "Make a role, or a user, with a policy of `celery -A proj aws iam`, and delete the root user's "
    "keys",
)
KEYS = notice(
    "keys-in-settings",
    "An access key is written in the settings: whoever reads them has it, and it is never renewed.",
    "Use the role of the task (ECS), pod (EKS) or instance (EC2): leave the key out of the URL",
)
TOKEN = warning(
    "static-session-token",
    "Temporary credentials are written in the settings: when they run out nothing renews them, and "
    "workers stop working.",
    "Use sts_role_arn, or the role of the task, pod or instance: boto3 renews those",
)

KINDS = (REFUSED, EXPIRED, ROLE, FAILED, ROOT, KEYS, TOKEN)


def refusals(facts: Facts) -> Iterator[Finding]:
    """Tell where AWS does not know who asks."""
    for each in facts.connections:
        failure = each.reached.error or each.refusal
        kind = refusal_kind(failure)
        if kind is not None and failure is not None:
            yield kind.found(f"{each.service} of {each.purpose}", reason_of(failure))
    for queue in facts.queues:
        # One of predefined_queues may have keys of its own.
        failure = queue.attributes.error
        kind = refusal_kind(failure)
        if kind is not None and failure is not None:
            yield kind.found(queue.what, reason_of(failure))


def identity(facts: Facts) -> Iterator[Finding]:
    """Look at who asks."""
    if facts.identity.error is not None and any(map(_usable, facts.connections)):
        yield FAILED.found("sts", reason_of(facts.identity.error))
    found = facts.identity.answer
    on_aws = any(reaches_aws(each.access, each.service) for each in facts.connections)
    if found is not None and on_aws and found.arn.endswith(":root"):
        yield ROOT.found("credentials", found.arn)


def keys_in_settings(facts: Facts) -> Iterator[Finding]:
    """Look at where credentials come from."""
    for where, token in _keys(facts):
        if token is None:
            yield KEYS.found(where, "an access key and its secret are written there")
        else:
            yield TOKEN.found(where, "a key pair with a session token is written there")


def reason_of(failure: CeleryAwsError) -> str:
    """Return what an error says, without a remedy that a finding has too."""
    return failure.reason if isinstance(failure, AwsError) else str(failure)


def refusal_kind(failure: CeleryAwsError | None) -> Kind | None:
    """Return what an error says of credentials; None if it says nothing of them."""
    if not isinstance(failure, AwsError) or isinstance(failure, UnreachableError):
        return None
    if failure.operation == ASSUME_ROLE:
        return ROLE
    if isinstance(failure, CredentialsError):
        return REFUSED
    return EXPIRED if isinstance(failure, ExpiredCredentialsError) else None


def _usable(connection: Connection) -> bool:
    return connection.usable


def _keys(facts: Facts) -> Iterator[tuple[str, str | None]]:
    """Yield the settings that a key of AWS's is written in, with its token."""
    broker, options = facts.deployment.broker, facts.deployment.options
    results = facts.deployment.table("results")
    if broker is not None and reaches_aws(broker, "sqs"):
        if broker.credentials is not None:
            yield "broker_url", broker.credentials.session_token
        for name, queue in ({} if options is None else options.predefined_queues).items():
            if queue.secret_access_key:
                yield f"predefined_queues[{name!r}]", queue.session_token or None
    if results is None or not reaches_aws(results.access, "dynamodb"):
        return
    if results.access.credentials is not None:
        yield "result_backend", results.access.credentials.session_token


CHECKS = (refusals, identity, keys_in_settings)
