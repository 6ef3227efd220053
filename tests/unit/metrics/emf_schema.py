"""The rules of CloudWatch's embedded metric format, as a JSON schema.

After "Specification: Embedded metric format" in the CloudWatch user guide, read on 2026-11-23: its
schema, and what its text says beside that (100 metrics a directive; values are numbers, or lists
of up to 100; a dimension's value is text of up to 1,024 characters).
"""

from typing import Any, Final

UNITS: Final = [
    "Seconds",
    "Microseconds",
    "Milliseconds",
    "Bytes",
    "Kilobytes",
    "Megabytes",
    "Gigabytes",
    "Terabytes",
    "Bits",
    "Kilobits",
    "Megabits",
    "Gigabits",
    "Terabits",
    "Percent",
    "Count",
    "Bytes/Second",
    "Kilobytes/Second",
    "Megabytes/Second",
    "Gigabytes/Second",
    "Terabytes/Second",
    "Bits/Second",
    "Kilobits/Second",
    "Megabits/Second",
    "Gigabits/Second",
    "Terabits/Second",
    "Count/Second",
    "None",
]

METRIC: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["Name"],
    "additionalProperties": False,
    "properties": {
        "Name": {"type": "string", "minLength": 1, "maxLength": 1_024},
        "Unit": {"enum": UNITS},
        "StorageResolution": {"enum": [1, 60]},
    },
}

DIRECTIVE: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["Namespace", "Dimensions", "Metrics"],
    "additionalProperties": False,
    "properties": {
        "Namespace": {"type": "string", "minLength": 1, "maxLength": 1_024},
        "Dimensions": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "array",
                "maxItems": 30,
                "items": {"type": "string", "minLength": 1, "maxLength": 250},
            },
        },
        "Metrics": {"type": "array", "maxItems": 100, "items": METRIC},
    },
}

SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["_aws"],
    "properties": {
        "_aws": {
            "type": "object",
            "required": ["Timestamp", "CloudWatchMetrics"],
            "additionalProperties": False,
            "properties": {
                "Timestamp": {"type": "integer"},
                "CloudWatchMetrics": {"type": "array", "items": DIRECTIVE},
            },
        }
    },
}


def check(document: dict[str, Any]) -> None:
    """Make sure that CloudWatch takes a document, and finds in it whatever it names."""
    import jsonschema

    jsonschema.validate(document, SCHEMA)
    for directive in document["_aws"]["CloudWatchMetrics"]:
        for dimensions in directive["Dimensions"]:
            for name in dimensions:
                assert isinstance(document[name], str)
                assert 0 < len(document[name]) <= 1_024
        for metric in directive["Metrics"]:
            assert isinstance(document[metric["Name"]], int | float)
