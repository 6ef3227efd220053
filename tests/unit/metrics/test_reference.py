from pathlib import Path

from celery_aws.metrics.reference import page

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "metrics.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == page(), (
        "python -m celery_aws.metrics.reference > docs/reference/metrics.md"
    )
