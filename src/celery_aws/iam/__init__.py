"""What each kind of process may do on AWS, as IAM policies, and whether it may."""

from celery_aws.iam.checking import PolicyCheck, StatementCheck, Verdict, check
from celery_aws.iam.document import PolicyDocument, Statement
from celery_aws.iam.policies import PolicyOptions, Role, policy

__all__ = [
    "PolicyCheck",
    "PolicyDocument",
    "PolicyOptions",
    "Role",
    "Statement",
    "StatementCheck",
    "Verdict",
    "check",
    "policy",
]
