"""Flower for the project that the worker tests have."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.integration.flower.flower_process import FlowerProcess
from tests.integration.workers.conftest import Project, project

__all__ = ["project", "start_flower"]

StartFlower = Callable[..., FlowerProcess]


@pytest.fixture
def start_flower(project: Project) -> Iterator[StartFlower]:
    """Starts a Flower for the project, without waiting for it; it ends with the test."""
    with ExitStack() as stack:

        def start(*arguments: str, **options: Any) -> FlowerProcess:
            flower = FlowerProcess(project, *arguments, **options)
            stack.callback(flower.kill)
            return flower

        yield start
