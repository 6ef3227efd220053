"""Queues by what their names begin with, instead of one by one: for policies that get too long.

It allows more than is needed, so only who asks for it gets it.
"""

from collections.abc import Iterator
from dataclasses import replace

from celery_aws.errors import ConfigurationError
from celery_aws.iam.document import PolicyDocument, Statement
from celery_aws.iam.resources import Resources

_COMMAND_NOBODY = "CommandNobody"


def folded(document: PolicyDocument, found: Resources) -> PolicyDocument:
    """Return a policy whose statements name all their queues by one pattern.

    Who may not send to inboxes, which is how workers are commanded, is denied that, as the pattern
    may be one for inboxes too.

    Raises:
        ConfigurationError: the names have nothing in common.
    """
    statements = [_folded(each, found) for each in document.statements]
    may_command = any(
        set(each.resources) & set(found.inboxes) and "sqs:SendMessage" in each.actions
        for each in document.statements
    )
    sends = any("sqs:SendMessage" in each.actions for each in statements)
    if sends and not may_command:
        statements += _denial(found)
    return PolicyDocument(statements=tuple(statements))


def _folded(statement: Statement, found: Resources) -> Statement:
    queues = [each for each in statement.resources if _is_queue(each) and each not in found.inboxes]
    if len(queues) < 2:
        return statement
    names: dict[str, list[str]] = {}
    for each in queues:
        head, _, name = each.rpartition(":")
        names.setdefault(head, []).append(name)
    patterns = [f"{head}:{_pattern(those)}" for head, those in names.items()]
    others = [each for each in statement.resources if each not in queues]
    return replace(statement, resources=(*patterns, *others))


def _pattern(names: list[str]) -> str:
    if len(names) == 1:
        return names[0]
    common = _common_beginning(names)
    if not common:
        raise ConfigurationError(
            f"the names of {len(names)} queues have no common beginning, so they cannot be folded: "
            "set broker_transport_options['queue_name_prefix'], or split the policy",
            where="broker_transport_options",
            key="queue_name_prefix",
        )
    return f"{common}*"


def _common_beginning(names: list[str]) -> str:
    first, last = min(names), max(names)
    pairs = enumerate(zip(first, last, strict=False))
    return first[: next((at for at, (one, other) in pairs if one != other), len(first))]


def _denial(found: Resources) -> Iterator[Statement]:
    if found.inboxes:
        yield Statement(
            sid=_COMMAND_NOBODY,
            actions=("sqs:SendMessage",),
            resources=found.inboxes,
            effect="Deny",
        )


def _is_queue(arn: str) -> bool:
    return arn.split(":")[2] == "sqs"
