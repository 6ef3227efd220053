"""What the owner of a queue or table of another account has to attach to it.

Between accounts both have to allow a request: the policy of who asks, and that of the resource.
Facts: "Overview of managing access in Amazon SQS" and "Cross-account access with resource-based
policies in DynamoDB" in the developer guides.
"""

from dataclasses import replace

from celery_aws.iam.document import PolicyDocument
from celery_aws.iam.resources import Resources


def resource_policies(
    document: PolicyDocument, found: Resources, principals: tuple[str, ...]
) -> dict[str, PolicyDocument]:
    """Return the policies of resources of other accounts, by the resource's ARN.

    Args:
        document: what a role may do.
        found: the resources.
        principals: ARNs of who has the role; empty is the whole account, which then decides.
    """
    account = f"arn:{found.identity.partition}:iam::{found.identity.account}:root"
    attached: dict[str, PolicyDocument] = {}
    for statement in document.statements:
        for arn in filter(found.is_foreign, statement.resources):
            if arn.split(":")[2] not in ("sqs", "dynamodb"):
                continue
            of_resource = replace(statement, resources=(arn,), principals=principals or (account,))
            before = attached[arn].statements if arn in attached else ()
            attached[arn] = PolicyDocument(statements=(*before, of_resource))
    return attached
