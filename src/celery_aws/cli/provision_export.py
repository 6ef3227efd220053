"""``celery -A proj aws provision export``: the same for CloudFormation and Terraform."""

import json
from dataclasses import replace

import click

from celery_aws.cli.app import celery_app
from celery_aws.cli.provision_options import queue_option
from celery_aws.deployment import Deployment, deployment_of
from celery_aws.provision import cloudformation, terraform
from celery_aws.provision.exported import regions_of


@click.command("export", short_help="Print a CloudFormation template or Terraform JSON.")
@queue_option
@click.option("--format", "form", type=click.Choice(["cloudformation", "terraform"]), required=True)
@click.option("--region", help="Of a CloudFormation stack, if the app is in more than one.")
@click.option("--without-buckets", is_flag=True, help="Leave buckets out: they exist elsewhere.")
@click.pass_context
def command(
    ctx: click.Context,
    *,
    queues: tuple[str, ...],
    form: str,
    region: str | None,
    without_buckets: bool,
) -> None:
    """Print what "apply" would make as a CloudFormation template (JSON) or as Terraform JSON.

    For who makes everything in that way: then "plan" shows whether it is right. It does not look at
    what exists, and costs no request. Save Terraform's as celery.tf.json; it needs version 6.8 of
    the provider.
    """
    deployment = deployment_of(celery_app(ctx), queues=queues)
    if without_buckets:
        deployment = replace(deployment, buckets=())
    if form == "terraform":
        found = terraform(deployment)
    else:
        found = cloudformation(deployment, _region(deployment, region))
    click.echo(json.dumps(found, indent=2))


def _region(deployment: Deployment, given: str | None) -> str:
    regions = regions_of(deployment)
    if given is None and len(regions) == 1:
        return regions[0]
    if given not in regions or given is None:
        raise click.UsageError(
            f"a stack is in one region, and the app is in {', '.join(regions) or 'none'}: name one "
            "by --region, and export the others too"
        )
    return given
