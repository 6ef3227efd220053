"""What every test may use."""

import signal

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["celery_aws.testing.fixtures", "pytester"]

# A shared machine may stop for a second at any place; a time limit would only be noise. And who
# changes one thing shall not be told of another: everybody's examples are the same, until somebody
# looks for new ones with --hypothesis-profile=explore.
for _profile in ("tests", "explore"):
    settings.register_profile(
        _profile,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        derandomize=_profile == "tests",
    )
settings.load_profile("tests")

# A shell that runs the tests in its background lets them, and what they start, ignore Ctrl-C.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


#: Beside each other, files that start workers come first: at the end, two processes have an end at
#: the same time if the last files are short.
LONG_FILES = ("tests/integration/workers/", "tests/integration/", "tests/simulation/")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Order files that run beside each other; leave soak tests out, unless ``-m`` names them."""
    if hasattr(config, "workerinput"):
        items.sort(key=place_of)
    if "soak" in config.getoption("markexpr"):
        return
    left_out = [item for item in items if item.get_closest_marker("soak")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def place_of(item: pytest.Item) -> int:
    """Return where the file of a test comes, by its folder."""
    places = [n for n, folder in enumerate(LONG_FILES) if item.nodeid.startswith(folder)]
    return places[0] if places else len(LONG_FILES)
