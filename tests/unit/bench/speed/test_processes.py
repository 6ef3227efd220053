"""What processes have used."""

import os
import subprocess
import sys

import pytest
from bench.speed.processes import CpuSeconds, cpu_seconds, shared_out_bytes

TICK_SECONDS = 0.01

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def test_a_child_that_has_ended_counts() -> None:
    before = cpu_seconds(os.getpid(), [])
    subprocess.run([sys.executable, "-c", "sum(range(3_000_000))"], check=True)
    assert (cpu_seconds(os.getpid(), []) - before).children > 0


def test_a_living_child_counts() -> None:
    alone = cpu_seconds(os.getpid(), [])
    with_itself = cpu_seconds(os.getpid(), [os.getpid()])
    assert with_itself.children - alone.children >= alone.parent - TICK_SECONDS


def test_a_difference() -> None:
    late, early = CpuSeconds(parent=3, children=5), CpuSeconds(parent=1, children=1)
    assert late - early == CpuSeconds(parent=2, children=4)


def test_memory() -> None:
    assert shared_out_bytes([os.getpid()]) > 1_000_000
