import dataclasses
from pathlib import Path
from typing import Any

import pytest

from celery_aws.config.broker import WITHOUT_EFFECT, BrokerOptions, PredefinedQueue
from celery_aws.config.reference import meanings, page
from celery_aws.config.results import ResultOptions
from celery_aws.config.settings import Settings

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "options.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == page(), (
        "python -m celery_aws.config.reference > docs/reference/options.md"
    )


@pytest.mark.parametrize("cls", [BrokerOptions, PredefinedQueue, ResultOptions])
def test_every_option_has_a_meaning_and_every_meaning_an_option(cls: type[Any]) -> None:
    names = {field.name for field in dataclasses.fields(cls)} - set(WITHOUT_EFFECT)
    assert meanings(cls).keys() == names


def test_every_setting_has_a_meaning() -> None:
    assert list(meanings(Settings)) == list(Settings.model_fields)


def test_a_meaning_of_several_lines_becomes_one() -> None:
    said = meanings(BrokerOptions)["visibility_timeout"]
    assert said.startswith("seconds for which")
    assert said.endswith("the longest time that a task may take.")
    assert "\n" not in said
