"""What a workload is estimated to be billed, against what a cloud counts."""

import pytest
from bench import cost

pytestmark = pytest.mark.worker


def test_the_estimate_is_what_is_counted() -> None:
    found = list(cost.measured(batched=2_000, alone=5))
    assert {(each.name, each.key) for each in found} == {
        (name, key) for name in ("together", "alone") for key in cost.UNITS
    }
    assert [each for each in found if abs(each.off) > cost.MOST_OFF] == [], "\n".join(
        cost.table(found)
    )
