"""Runs with the figures that a test is about."""

from typing import Any

from bench.speed.measured import Measured, Published


def measured(side: str, number: int = 0, **figures: Any) -> Measured:
    shown: dict[str, Any] = {
        "pool": "prefork2",
        "latency_ms": 8,
        "tasks": 100,
        "tasks_per_second": 100.0,
        "requests": {"dynamodb.PutItem": 1.0},
        "dollars": 0.7,
        "parent_cpu": 1.0,
        "children_cpu": 1.0,
        "memory_mb": 100.0,
        "cloud_share": 0.1,
        "single": Published(per_second=50, cpu_milliseconds=1),
        "group": Published(per_second=500, cpu_milliseconds=0.2),
        "round_trips_ms": (30.0, 40.0, 50.0),
    }
    return Measured(side=side, number=number, **(shown | figures))
