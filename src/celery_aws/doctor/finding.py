"""What a check finds: a value, with what was seen and what to do about it."""

from dataclasses import dataclass
from enum import Enum


class Severity(Enum):
    """What a finding means for a deployment."""

    #: It does not work, or somebody else has control of it.
    ERROR = "error"
    #: It works, and something will be lost, late, or dear.
    WARNING = "warning"
    #: Worth knowing; nothing has to be done.
    NOTICE = "notice"

    @property
    def rank(self) -> int:
        """Its place in a report, the worst first."""
        return list(Severity).index(self)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was found.

    Attributes:
        id: of its kind; stable, for programs.
        severity: of its kind.
        meaning: of its kind: what is the case, and what comes of it.
        what: the resource or setting that it is about.
        evidence: what was seen.
        remedy: what to do about it.
    """

    id: str
    severity: Severity
    meaning: str
    what: str
    evidence: str
    remedy: str


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of finding, as the reference describes it.

    Attributes:
        id: such as ``queue-missing``; never changes, and is never used again.
        severity: of all findings of the kind.
        meaning: what is the case, and what comes of it.
        remedy: what to do about it.
    """

    id: str
    severity: Severity
    meaning: str
    remedy: str

    def found(self, what: str, evidence: str, *, remedy: str | None = None) -> Finding:
        """Return a finding of this kind.

        Args:
            what: the resource or setting.
            evidence: what was seen.
            remedy: a closer one than that of the kind.
        """
        return Finding(
            id=self.id,
            severity=self.severity,
            meaning=self.meaning,
            what=what,
            evidence=evidence,
            remedy=self.remedy if remedy is None else remedy,
        )


def error(name: str, meaning: str, remedy: str) -> Kind:
    """Return a kind of error."""
    return Kind(id=name, severity=Severity.ERROR, meaning=meaning, remedy=remedy)


def warning(name: str, meaning: str, remedy: str) -> Kind:
    """Return a kind of warning."""
    return Kind(id=name, severity=Severity.WARNING, meaning=meaning, remedy=remedy)


def notice(name: str, meaning: str, remedy: str) -> Kind:
    """Return a kind of notice."""
    return Kind(id=name, severity=Severity.NOTICE, meaning=meaning, remedy=remedy)
