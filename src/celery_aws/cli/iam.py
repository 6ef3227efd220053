"""``celery -A proj aws iam ROLE``: what the processes of a role may do on AWS, as IAM policies."""

import json
import re
from collections.abc import Sequence
from typing import Any

import click

from celery_aws.aws.identity import Identity, StsIdentityService, identity_in
from celery_aws.aws.permissions import IamPermissionService
from celery_aws.cli.app import celery_app
from celery_aws.deployment import Deployment, deployment_of
from celery_aws.iam import PolicyCheck, PolicyDocument, PolicyOptions, Role, Verdict, check, policy
from celery_aws.iam.access import access_of
from celery_aws.iam.assuming import assumed_roles, caller_policy, trust_policy
from celery_aws.iam.document import split
from celery_aws.iam.formats import as_cloudformation, as_json, as_terraform
from celery_aws.iam.resource_policies import resource_policies
from celery_aws.iam.resources import Resources
from celery_aws.iam.trials import HarmlessTrials
from celery_aws.limits import (
    IAM_MANAGED_POLICY_CHARACTERS,
    IAM_ROLE_INLINE_CHARACTERS,
    IAM_ROLE_POLICIES_COUNT,
)
from celery_aws.names import AccountId

_ACCOUNT = re.compile(r"\d{12}")

FORMATS = ("json", "cloudformation", "terraform")


def _account(
    ctx: click.Context,  # noqa: ARG001
    param: click.Parameter,  # noqa: ARG001
    value: str | None,
) -> AccountId | None:
    if value is not None and not _ACCOUNT.fullmatch(value):
        raise click.BadParameter(f"{value!r} is no account: 12 digits")
    return None if value is None else AccountId(value)


@click.command("iam", short_help="Print what processes have to be allowed on AWS, and check it.")
@click.argument("role", type=click.Choice([each.value for each in Role]))
@click.option(
    "--account",
    metavar="ID",
    callback=_account,
    help="The app's account; then AWS is not asked. Default: that of the credentials.",
)
@click.option(
    "--queue", "queues", multiple=True, help="A queue that the configuration does not name."
)
@click.option(
    "--dead-letter-queue",
    "dead_letter_queues",
    multiple=True,
    metavar="ARN",
    help="Dead-letter queue of a predefined queue.",
)
@click.option("--s3-kms-key", metavar="KEY", help="KMS key of the buckets: alias, id or ARN.")
@click.option(
    "--allow-create",
    is_flag=True,
    help="Let processes make what is missing. Default: an operator has made queues and tables.",
)
@click.option("--allow-destroy", is_flag=True, help="Let a provisioner delete what it makes.")
@click.option(
    "--oldest-age", is_flag=True, help="Let a monitor ask CloudWatch how old messages are."
)
@click.option("--split", "splits", is_flag=True, help="Several policies, if one gets too long.")
@click.option("--fold", "folds", is_flag=True, help="Name queues by what their names begin with.")
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="json",
    show_default=True,
    help="Of the output.",
)
@click.option(
    "--resource-policies",
    "of_resources",
    is_flag=True,
    help="Print what owners of queues and tables of other accounts have to attach to them.",
)
@click.option(
    "--caller", is_flag=True, help="Print the policy of who assumes the role of sts_role_arn."
)
@click.option("--trust", is_flag=True, help="Print the trust policy of the role of sts_role_arn.")
@click.option(
    "--principal",
    "principals",
    multiple=True,
    metavar="ARN",
    help="Who is named in resource policies and trust policies. Default: the account.",
)
@click.option("--check", "checks", is_flag=True, help="Find out whether AWS allows all of it.")
@click.option("--json", "as_json_", is_flag=True, help="Print what --check found as JSON.")
@click.pass_context
def command(ctx: click.Context, /, role: str, **given: Any) -> None:
    """Print the least that the processes of ROLE have to be allowed.

    A producer sends tasks and waits for results: web processes, beat. A worker is `celery worker`;
    a monitor Flower, inspect, control, events or an exporter. An operator also looks after dead
    letters and leftovers, a migrator runs `aws migrate`. A provisioner makes queues, tables and
    buckets.

    It names each queue, table and bucket of the app's configuration, and one pattern: that of the
    inboxes, which processes make for themselves. Attach several policies to who has several roles.

    Costs one GetCallerIdentity, or nothing with --account. --check costs one
    SimulatePrincipalPolicy for each statement; if that is refused, a request for each action and
    resource that can be tried without changing anything.
    """
    deployment = deployment_of(celery_app(ctx), queues=given["queues"])
    _note(deployment, given["dead_letter_queues"])
    identity = _identity(deployment, given["account"])
    if given["caller"] or given["trust"]:
        _print(_of_assumed_role(deployment, identity, given).as_json())
        return
    options = PolicyOptions(
        creates=given["allow_create"],
        destroys=given["allow_destroy"],
        ages=given["oldest_age"],
        object_key=given["s3_kms_key"],
        dead_letter_queues=given["dead_letter_queues"],
        folds=given["folds"],
    )
    document = policy(deployment, Role(role), identity, options)
    found = Resources(
        deployment=deployment, identity=identity, other_dead_letters=options.dead_letter_queues
    )
    if given["of_resources"]:
        attached = resource_policies(document, found, given["principals"])
        _print({arn: each.as_json() for arn, each in attached.items()})
    elif given["checks"]:
        _check(ctx, document, found, as_json_=given["as_json_"])
    else:
        _print_policy(ctx, document, role, given)


def _identity(deployment: Deployment, account: AccountId | None) -> Identity:
    access = access_of(deployment)
    if account is not None:
        return identity_in(account, access.region)
    return StsIdentityService(access).identity()


def _of_assumed_role(
    deployment: Deployment, identity: Identity, given: dict[str, Any]
) -> PolicyDocument:
    roles = assumed_roles(deployment)
    if not roles:
        raise click.UsageError("no sts_role_arn is set: processes ask as who they are")
    if given["caller"]:
        return caller_policy(roles)
    account = f"arn:{identity.partition}:iam::{identity.account}:root"
    return trust_policy(given["principals"] or (account,))


def _print_policy(
    ctx: click.Context, document: PolicyDocument, role: str, given: dict[str, Any]
) -> None:
    documents = split(document) if given["splits"] else [document]
    match given["form"]:
        case "cloudformation":
            _print(as_cloudformation(documents, role))
        case "terraform":
            _print(as_terraform(documents, role))
        case _:
            _print(as_json(documents))
    if len(documents) > IAM_ROLE_POLICIES_COUNT:
        _say(f"{len(documents)} policies: a role takes {IAM_ROLE_POLICIES_COUNT}. See --fold.")
        ctx.exit(1)
    if not document.fits and len(documents) == 1:
        _say(
            f"The policy has {document.characters} characters, and a managed one takes "
            f"{IAM_MANAGED_POLICY_CHARACTERS} (inline in a role {IAM_ROLE_INLINE_CHARACTERS}): "
            "--split makes several, --fold names queues by what their names begin with."
        )
        ctx.exit(1)


def _check(
    ctx: click.Context, document: PolicyDocument, found: Resources, *, as_json_: bool
) -> None:
    permissions = IamPermissionService(access_of(found.deployment))
    asked = StsIdentityService(access_of(found.deployment)).identity()
    report = check(document, asked, permissions=permissions, trials=HarmlessTrials(found))
    if as_json_:
        _print(_facts(report))
    else:
        _say(f"By {report.how}")
        for line in _lines(report):
            click.echo(line)
    if report.verdict is Verdict.DENIED:
        ctx.exit(1)


def _facts(report: PolicyCheck) -> dict[str, Any]:
    return {
        "verdict": report.verdict.value,
        "how": report.how,
        "statements": [
            {
                "sid": statement.sid,
                "verdict": statement.verdict.value,
                "actions": [
                    {
                        "action": each.action,
                        "resource": each.resource,
                        "verdict": each.verdict.value,
                        "evidence": each.evidence,
                    }
                    for each in statement.checks
                ],
            }
            for statement in report.statements
        ],
    }


def _lines(report: PolicyCheck) -> Sequence[str]:
    lines = []
    for statement in report.statements:
        lines.append(f"{statement.verdict.value:8} {statement.sid}")
        lines += [
            f"         {each.verdict.value}: {each.action} on {each.resource}: {each.evidence}"
            for each in statement.checks
            if each.verdict is not Verdict.ALLOWED
        ]
    return lines


def _note(deployment: Deployment, dead_letter_queues: Sequence[str]) -> None:
    """Say what the configuration does not tell, and who makes the requests."""
    if deployment.routers:
        _say(f"Not asked which queues they use (--queue): {', '.join(deployment.routers)}")
    if not dead_letter_queues and any(each.predefined for each in deployment.queues):
        _say("Predefined queues: name their dead-letter queues (--dead-letter-queue).")
    for role in assumed_roles(deployment):
        _say(f"For the role {role}. Who assumes it needs what --caller prints.")
    through = (*deployment.transient, *(["sent events"] * deployment.sends_sent_events))
    if deployment.remote_control and (through or deployment.returns_results_by_message):
        what = ", ".join((*through, *(["rpc://"] * deployment.returns_results_by_message)))
        _say(f"Producers send to inboxes ({what}), so they may command workers too.")


def _print(value: Any) -> None:
    click.echo(json.dumps(value, indent=2))


def _say(words: str) -> None:
    click.echo(words, err=True)
