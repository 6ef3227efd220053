"""Whether tags are as they shall be; those that nobody asked for are left."""

from collections.abc import Mapping

from celery_aws.provision.steps import Difference

_TAG = "tag "


def different_tags(wanted: Mapping[str, str], found: Mapping[str, str]) -> tuple[Difference, ...]:
    """Return the tags that are missing or say something else."""
    return tuple(
        Difference(name=f"{_TAG}{key}", found=found.get(key), wanted=value)
        for key, value in wanted.items()
        if found.get(key) != value
    )


def tags_to_set(wanted: Mapping[str, str], differences: frozenset[str]) -> dict[str, str]:
    """Return those of the tags wanted whose differences are named."""
    return {key: value for key, value in wanted.items() if f"{_TAG}{key}" in differences}
