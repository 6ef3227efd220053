"""Users of a local AWS that checks rights, each with generated policies and nothing else."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import boto3
from celery import Celery
from celery.bin.base import CLIContext
from click.testing import CliRunner

from celery_aws.aws.identity import Identity, identity_in
from celery_aws.cli import aws as commands
from celery_aws.config.credentials import Credentials
from celery_aws.deployment import Deployment, deployment_of
from celery_aws.errors import ConfigurationError
from celery_aws.iam import PolicyDocument, PolicyOptions, Role, Statement, policy
from celery_aws.local.environment import ACCESS_KEY_ID
from celery_aws.names import AccountId

#: The local AWS has one.
ACCOUNT = AccountId("000000000000")
REGION = "us-east-1"


def account() -> Identity:
    return identity_in(ACCOUNT, REGION)


def app_of(config: dict[str, Any]) -> Celery:
    app = Celery("policed", set_as_current=False)
    app.conf.update(config)
    return app


def deployed(config: dict[str, Any]) -> Deployment:
    return deployment_of(app_of(config))


@dataclass(frozen=True)
class User:
    """A key pair, by itself and as others are told of it."""

    access_key_id: str
    secret_access_key: str = field(repr=False)

    @property
    def credentials(self) -> Credentials:
        return Credentials(
            access_key_id=self.access_key_id, secret_access_key=self.secret_access_key
        )

    @property
    def variables(self) -> dict[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
        }

    def session(self) -> boto3.Session:
        return boto3.Session(self.access_key_id, self.secret_access_key, region_name=REGION)

    def config(self, config: dict[str, Any]) -> dict[str, Any]:
        """Return settings with this key pair in the URLs of theirs that are ours."""
        urls = {
            name: self._in_url(config[name])
            for name in ("broker_url", "result_backend")
            if str(config.get(name) or "").startswith("aws+")
        }
        return {**config, **urls}

    def _in_url(self, url: str) -> str:
        parts = urlsplit(url)
        _, at, host = parts.netloc.rpartition("@")
        if parts.netloc.partition(":")[0] and at and not parts.netloc.startswith("@"):
            return url  # somebody's own
        pair = ":".join(
            quote(each, safe="") for each in (self.access_key_id, self.secret_access_key)
        )
        return urlunsplit(parts._replace(netloc=f"{pair}@{host}"))


class Users:
    """Makes users; for who has the keys of the account's root user in his environment."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._iam = boto3.client("iam")
        self._known: dict[Role, User] = {}
        self._policies: dict[Role, list[str]] = {}

    def make(self, name: str, document: PolicyDocument | None = None) -> User:
        """Return another user."""
        name = f"{self._name}{name}"
        self._iam.create_user(UserName=name)
        if document is not None:
            self._iam.put_user_policy(
                UserName=name, PolicyName="only", PolicyDocument=document.text()
            )
        key = self._iam.create_access_key(UserName=name)["AccessKey"]
        return User(key["AccessKeyId"], key["SecretAccessKey"])

    def of_role(self, role: Role, config: Mapping[str, Any], prefix: str) -> User:
        """Return who has the generated policy of a role, and those that were asked for before.

        Args:
            role: the role.
            config: of the app.
            prefix: of its queues; those of any name.
        """
        user = self._known.get(role) or self.make(role.value)
        self._known[role] = user
        try:
            document = any_queue_policy(dict(config), role, prefix)
        except ConfigurationError:
            return user  # it is a test of wrong settings
        policies, text = self._policies.setdefault(role, []), document.text()
        if text not in policies:
            policies.append(text)
            self._iam.put_user_policy(
                UserName=f"{self._name}{role.value}",
                PolicyName=f"policy-{len(policies)}",
                PolicyDocument=text,
            )
        return user


def is_root(variables: Mapping[str, str]) -> bool:
    return variables.get("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID) == ACCESS_KEY_ID


#: Set, the tests of workers run with generated policies.
SWITCH = "CELERY_AWS_TEST_POLICIES"

#: What AWS says to who may not do something.
DENIED = "not authorized to perform"


def policed() -> bool:
    """Tell whether the tests of workers are to run with generated policies."""
    return bool(os.environ.get(SWITCH))


def any_queue_policy(config: dict[str, Any], role: Role, prefix: str) -> PolicyDocument:
    """Return the policy of a role whose queues nobody knows before: any with the prefix.

    For tests that send to queues by names that no configuration has.
    """
    deployment = deployed(config)
    document = policy(deployment, role, account(), PolicyOptions(creates=True))
    return PolicyDocument(
        statements=tuple(_of_any_queue(each, prefix) for each in document.statements)
        + tuple(_denial(document, deployment))
    )


def _of_any_queue(statement: Statement, prefix: str) -> Statement:
    if statement.sid not in _ON_QUEUES:
        return statement
    return replace(
        statement, resources=(*statement.resources, f"arn:aws:sqs:{REGION}:{ACCOUNT}:{prefix}*")
    )


_ON_QUEUES = {"SendTasks", "WorkOnTasks", "WatchQueues", "MoveToDeadLetters", "CreateQueues"}


def _denial(document: PolicyDocument, deployment: Deployment) -> Iterator[Statement]:
    inboxes = [each for each in document.statements if each.sid in ("KeepInbox", "SendToInboxes")]
    options = deployment.options
    if not inboxes and options is not None:
        arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{options.queue_name_prefix}celery-inbox-*"
        yield Statement(sid="No", actions=("sqs:SendMessage",), resources=(arn,), effect="Deny")


class NotProvisionedError(Exception):
    """An operator's command failed."""


def provision(config: dict[str, Any], user: User) -> None:
    """Make everything, as an operator who has a provisioner's policy."""
    operate(config, user, "apply", "--yes")


def operate(config: dict[str, Any], user: User, *arguments: str) -> None:
    """Run ``celery aws provision ...`` as an operator.

    Raises:
        NotProvisionedError: it failed.
    """
    context = CLIContext(app=app_of(user.config(config)), no_color=True, workdir=None)
    result = CliRunner().invoke(commands, ["provision", *arguments], obj=context)
    if result.exit_code != 0:
        raise NotProvisionedError(result.output)
