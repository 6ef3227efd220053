"""The figures as a picture, by matplotlib: the extra ``bench`` has it."""

from pathlib import Path
from typing import Any

from bench.speed.figures import Figure, Runs, tasks_per_second, worker_cpu
from bench.speed.plan import POOLS, SIDES
from bench.speed.tables import NAMES

_COLOURS = {"ours": "#d95f02", "stock": "#7570b3", "tuned": "#b2abd2", "redis": "#666666"}
_BAR = 0.2


def draw(runs: Runs, path: Path) -> None:
    """Write an SVG: tasks a second and CPU time, by pool and side, at the highest latency."""
    import matplotlib as mpl  # noqa: PLC0415

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "celery-aws"
    from matplotlib import pyplot as plt  # noqa: PLC0415

    latency_ms = runs.latencies()[-1]
    figure, (rates, cpu) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    _bars(rates, runs, latency_ms, tasks_per_second)
    rates.set_yscale("log")
    rates.set_ylim(bottom=1)
    rates.set_title(f"tasks/s, {latency_ms:g} ms added to each answer (log)")
    _bars(cpu, runs, latency_ms, worker_cpu)
    cpu.set_title("CPU seconds of the worker for 1,000 tasks")
    figure.legend(*rates.get_legend_handles_labels(), loc="outside lower center", ncols=len(SIDES))
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def _bars(axes: Any, runs: Runs, latency_ms: float, figure: Figure) -> None:
    for place, side in enumerate(SIDES):
        found = [
            (number, runs.spread(side, pool, latency_ms, figure))
            for number, pool in enumerate(POOLS)
        ]
        known = [(number, spread) for number, spread in found if spread is not None]
        axes.bar(
            [number + (place - 1.5) * _BAR for number, _ in known],
            [spread.median for _, spread in known],
            _BAR,
            yerr=[
                [spread.median - spread.least for _, spread in known],
                [spread.most - spread.median for _, spread in known],
            ],
            color=_COLOURS[side],
            label=NAMES[side],
            error_kw={"elinewidth": 0.8, "ecolor": "#333333"},
        )
    axes.set_xticks(range(len(POOLS)), list(POOLS))
    axes.spines[["top", "right"]].set_visible(False)
