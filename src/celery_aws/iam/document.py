"""IAM policy documents as values: their form in JSON, their size, and several instead of one.

Facts: "IAM JSON policy elements reference" and "IAM and AWS STS quotas" in the IAM user guide.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from celery_aws.limits import IAM_MANAGED_POLICY_CHARACTERS

#: Of the policy language; there is no newer one.
VERSION = "2012-10-17"

#: By operator and condition key: the values, any of which will do.
Conditions = Mapping[str, Mapping[str, Sequence[str]]]


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One statement.

    Attributes:
        sid: what it is for; letters and digits.
        actions: such as ``sqs:SendMessage``, sorted.
        resources: ARNs, or patterns of ARNs; empty in the trust policy of a role.
        conditions: all of them have to be met.
        effect: whether it allows or denies.
        principals: ARNs of who it is for; only in policies of resources and in trust policies.
    """

    sid: str
    actions: tuple[str, ...]
    resources: tuple[str, ...] = ()
    conditions: Conditions = field(default_factory=dict)
    effect: Literal["Allow", "Deny"] = "Allow"
    principals: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return it as IAM writes it."""
        written: dict[str, Any] = {"Sid": self.sid, "Effect": self.effect}
        if self.principals:
            written["Principal"] = {"AWS": _one_or_list(self.principals)}
        written["Action"] = _one_or_list(self.actions)
        if self.resources:
            written["Resource"] = _one_or_list(self.resources)
        if self.conditions:
            written["Condition"] = {
                operator: {key: _one_or_list(values) for key, values in keys.items()}
                for operator, keys in self.conditions.items()
            }
        return written


@dataclass(frozen=True, kw_only=True)
class PolicyDocument:
    """Statements, in the order in which they are written."""

    statements: tuple[Statement, ...]

    @property
    def characters(self) -> int:
        """How many characters IAM counts of it: white space is free."""
        return len(json.dumps(self.as_json(), separators=(",", ":")))

    @property
    def fits(self) -> bool:
        """True if a managed policy takes it."""
        return self.characters <= IAM_MANAGED_POLICY_CHARACTERS

    def as_json(self) -> dict[str, Any]:
        """Return it as IAM writes it."""
        return {
            "Version": VERSION,
            "Statement": [each.as_json() for each in self.statements],
        }

    def text(self) -> str:
        """Return it as JSON, for people to read."""
        return json.dumps(self.as_json(), indent=2)

    def without(self, sid: str) -> "PolicyDocument":
        """Return it without a statement."""
        return PolicyDocument(statements=tuple(each for each in self.statements if each.sid != sid))


def split(document: PolicyDocument) -> list[PolicyDocument]:
    """Return documents of which each fits, and which say the same together.

    Args:
        document: of any size. A statement that does not fit into a document of its own is cut into
            several with other resources; their names are numbered.
    """
    documents: list[PolicyDocument] = []
    for statement in (part for each in document.statements for part in _parts(each)):
        if documents:
            longer = PolicyDocument(statements=(*documents[-1].statements, statement))
            if longer.fits:
                documents[-1] = longer
                continue
        documents.append(PolicyDocument(statements=(statement,)))
    return documents


def _parts(statement: Statement) -> Iterator[Statement]:
    pieces = _cut(statement)
    if len(pieces) == 1:
        yield statement
        return
    for number, piece in enumerate(pieces, 1):
        yield replace(piece, sid=f"{statement.sid}{number}")


def _cut(statement: Statement) -> list[Statement]:
    # With a number of two digits behind its name.
    whole = replace(statement, sid=f"{statement.sid}00")
    if PolicyDocument(statements=(whole,)).fits or len(statement.resources) == 1:
        return [statement]
    middle = len(statement.resources) // 2
    halves = statement.resources[:middle], statement.resources[middle:]
    return [piece for half in halves for piece in _cut(replace(statement, resources=half))]


def _one_or_list(values: Sequence[str]) -> str | list[str]:
    return values[0] if len(values) == 1 else list(values)
