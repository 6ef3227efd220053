"""What was found, in the forms in which people and programs read it. Never a secret."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from celery_aws.aws.access import Access
from celery_aws.doctor.catalogue import findings_of
from celery_aws.doctor.facts import Facts, Role
from celery_aws.doctor.finding import Finding, Severity

#: What AWS says of a signature that does not match ends with the request, the token included.
_TOKEN = re.compile(r"(x-amz-security-token:)\S+", re.IGNORECASE)

_MASK = "**"


@dataclass(frozen=True, kw_only=True)
class Report:
    """What was found.

    Attributes:
        role: of the processes that the credentials are for.
        asked_as: ARN of who asked, or None.
        region: of the broker, or of the results.
        examined: how many queues, tables, buckets and tasks were looked at.
        answered: False if AWS could not be asked at all.
        findings: the worst first.
    """

    role: Role
    asked_as: str | None
    region: str | None
    examined: dict[str, int]
    answered: bool
    findings: tuple[Finding, ...]

    @property
    def healthy(self) -> bool:
        """True if nothing was found that is more than a notice."""
        return all(finding.severity is Severity.NOTICE for finding in self.findings)

    def lines(self) -> Iterator[str]:
        """Yield the report as text; findings of a kind are told together."""
        together: dict[tuple[str, str], list[Finding]] = {}
        for finding in self.findings:
            together.setdefault((finding.id, finding.remedy), []).append(finding)
        for several in together.values():
            yield f"{several[0].severity.value.upper()} {several[0].id}"
            yield f"    {several[0].meaning}"
            yield from (f"    * {finding.what}: {finding.evidence}" for finding in several)
            yield f"    Remedy: {several[0].remedy}"
            yield ""
        yield self.summary()

    def summary(self) -> str:
        """Return one line: how much of what."""
        counts = self.counts()
        said = ", ".join(_number(counts[each.value], each.value) for each in Severity)
        looked = ", ".join(_number(count, name[:-1]) for name, count in self.examined.items())
        who = f" as {self.asked_as}" if self.asked_as else ""
        return f"{said}. Looked at {looked}{who}, for a {self.role}."

    def counts(self) -> Counter[str]:
        """Return how many findings there are of each severity."""
        return Counter(finding.severity.value for finding in self.findings)

    def facts(self) -> dict[str, Any]:
        """Return the report for programs."""
        counts = self.counts()
        return {
            "role": self.role,
            "asked_as": self.asked_as,
            "region": self.region,
            "answered": self.answered,
            "healthy": self.healthy,
            "examined": self.examined,
            "counts": {each.value: counts[each.value] for each in Severity},
            "findings": [
                {
                    "id": finding.id,
                    "severity": finding.severity.value,
                    "meaning": finding.meaning,
                    "what": finding.what,
                    "evidence": finding.evidence,
                    "remedy": finding.remedy,
                }
                for finding in self.findings
            ],
        }


def report_of(facts: Facts) -> Report:
    """Return what the checks find in the facts. No request."""
    identity = facts.identity.answer
    accesses = [each.access for each in facts.connections]
    hidden = sorted(secrets_of(facts), key=len, reverse=True)
    return Report(
        role=facts.role,
        asked_as=None if identity is None else identity.arn,
        region=accesses[0].region if accesses else None,
        examined={
            "queues": len(facts.queues),
            "tables": len(facts.tables),
            "buckets": len(facts.buckets),
            "tasks": len(facts.celery.tasks),
        },
        answered=any(each.usable for each in facts.connections),
        findings=tuple(_masked(finding, hidden) for finding in findings_of(facts)),
    )


def secrets_of(facts: Facts) -> Iterator[str]:
    """Yield what must not be shown, as it is and as it is in a URL."""
    for each in _secrets(each.access for each in facts.connections):
        yield from {each, quote(each, safe="")}
    options = facts.deployment.options
    for queue in () if options is None else options.predefined_queues.values():
        for secret in (queue.secret_access_key, queue.session_token):
            if secret:
                yield secret


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")


def _secrets(accesses: Iterable[Access]) -> Iterator[str]:
    for access in accesses:
        own = access.credentials
        if own is not None:
            yield from filter(None, (own.secret_access_key, own.session_token))


def _masked(finding: Finding, hidden: Iterable[str]) -> Finding:
    return replace(
        finding, what=mask(finding.what, hidden), evidence=mask(finding.evidence, hidden)
    )


def mask(text: str, hidden: Iterable[str]) -> str:
    """Return the first line of a text without what must not be shown.

    AWS's explanations of a signature that does not match have the whole request on further lines.
    """
    shown = text.strip().partition("\n")[0]
    for secret in hidden:
        shown = shown.replace(secret, _MASK)
    return _TOKEN.sub(rf"\1{_MASK}", shown)
