"""Policies as CloudFormation and Terraform take them."""

import json
from collections.abc import Sequence
from typing import Any

from celery_aws.iam.document import PolicyDocument


def as_json(documents: Sequence[PolicyDocument]) -> Any:
    """Return one document as it is, several as a list."""
    written = [each.as_json() for each in documents]
    return written[0] if len(written) == 1 else written


def as_cloudformation(documents: Sequence[PolicyDocument], role: str) -> dict[str, Any]:
    """Return a template with managed policies, whose ARNs are its outputs."""
    names = [f"Celery{role.capitalize()}{number}" for number in _numbers(documents)]
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Resources": {
            name: {
                "Type": "AWS::IAM::ManagedPolicy",
                "Properties": {
                    "Description": f"What a Celery {role} may do on AWS",
                    "PolicyDocument": each.as_json(),
                },
            }
            for name, each in zip(names, documents, strict=True)
        },
        "Outputs": {name: {"Value": {"Ref": name}} for name in names},
    }


def as_terraform(documents: Sequence[PolicyDocument], role: str) -> dict[str, Any]:
    """Return Terraform's JSON (``.tf.json``) with managed policies."""
    policies = {
        f"celery_{role}{number}": {
            "name_prefix": f"celery-{role}-",
            "description": f"What a Celery {role} may do on AWS",
            # ${ would begin an expression of Terraform's.
            "policy": json.dumps(each.as_json()).replace("${", "$${"),
        }
        for number, each in zip(_numbers(documents), documents, strict=True)
    }
    return {"resource": {"aws_iam_policy": policies}}


def _numbers(documents: Sequence[PolicyDocument]) -> list[str]:
    return [""] if len(documents) == 1 else [str(number + 1) for number in range(len(documents))]
