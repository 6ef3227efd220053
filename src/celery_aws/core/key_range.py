"""Which items of a partition a query reads, as a value: those with sort keys in a range.

Only ``aws/`` turns it into an expression string; the in-memory double asks
:meth:`SortRange.contains`. Facts: "Key condition expressions for the Query operation in
DynamoDB" in the developer guide; tried on the emulator by tests/contract.
"""

from dataclasses import dataclass

from celery_aws.core.attributes import AttributeValue, comparable


@dataclass(frozen=True, kw_only=True)
class SortRange:
    """Sort keys from ``low`` to ``high``, both included; None is no bound on that side.

    AWS refuses a query whose ``low`` is above ``high``.
    """

    #: The table's sort key.
    attribute: str
    low: AttributeValue | None = None
    high: AttributeValue | None = None

    def contains(self, value: AttributeValue) -> bool:
        """Tell whether a sort key, of the type of the bounds, is in the range."""
        key = comparable(value)
        above = self.low is None or comparable(self.low) <= key
        return above and (self.high is None or key <= comparable(self.high))
