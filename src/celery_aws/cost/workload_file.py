"""A workload from a file of YAML; JSON is YAML too."""

import json
from pathlib import Path
from typing import Any

from celery_aws.errors import ConfigurationError


def read_workload(path: Path) -> dict[str, Any]:
    """Return what a file says of a workload, by names with ``_`` for ``-``, unchecked.

    Args:
        path: of YAML; a file of JSON is read without PyYAML.

    Raises:
        ConfigurationError: it cannot be read, is no mapping, says something twice, or PyYAML
            is missing.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}", where=str(path)) from error
    found = _parsed(text, str(path))
    if not isinstance(found, dict):
        raise ConfigurationError(
            f"{path}: a mapping is wanted, such as `tasks: 800000`", where=str(path)
        )
    named = {str(name).replace("-", "_"): value for name, value in found.items()}
    if len(named) != len(found):
        raise ConfigurationError(f"{path}: something is given twice", where=str(path))
    return named


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        pass  # YAML, or nothing of either: it is read as that below
    try:
        import yaml  # noqa: PLC0415
    except ImportError as error:
        raise ConfigurationError(
            f'{where} is no JSON, and YAML needs PyYAML: pip install "celery-aws[cost]"',
            where=where,
        ) from error
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a day that is none
        raise ConfigurationError(f"{where} is no YAML: {error}", where=where) from error
