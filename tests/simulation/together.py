"""What the mover takes from :mod:`concurrent.futures`, in the simulated world."""

from collections.abc import Callable, Iterable
from concurrent.futures import Future
from types import TracebackType
from typing import Any

from tests.simulation.world import World

#: How often somebody who waits looks.
LOOK_SECONDS = 0.05


class WorldFuture(Future[Any]):
    """A future for whose result others run."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def result(self, timeout: float | None = None) -> Any:
        """Wait for it."""
        wait(self._world, [self], timeout)
        return super().result(0)


class WorldExecutor:
    """A :class:`~concurrent.futures.ThreadPoolExecutor` whose threads are of the world."""

    def __init__(self, world: World, max_workers: int) -> None:
        self._world = world
        self._free = max_workers
        self._waiting: list[Callable[[], None]] = []
        self._futures: list[Future[Any]] = []

    def __enter__(self) -> "WorldExecutor":  # noqa: PYI034 - typing has no Self in 3.10
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait for what was submitted."""
        wait(self._world, self._futures)

    def submit(self, function: Callable[..., Any], *args: Any) -> "Future[Any]":
        """Let a thread call ``function`` when one is free."""
        future = WorldFuture(self._world)
        self._futures.append(future)
        self._waiting.append(lambda: _call(future, function, *args))
        if self._free:
            self._free -= 1
            process = self._world.here()
            assert process is not None
            self._world.spawn(process, self._run)
        return future

    def _run(self) -> None:
        while self._waiting:
            self._waiting.pop(0)()
        self._free += 1


def wait(
    world: World, futures: Iterable["Future[Any]"], timeout: float | None = None
) -> tuple[set["Future[Any]"], set["Future[Any]"]]:
    """Wait until all are done, or the time is up."""
    pending = set(futures)
    deadline = None if timeout is None else world.seconds + timeout
    while any(not each.done() for each in pending):
        if deadline is not None and world.seconds >= deadline:
            break
        world.sleep(LOOK_SECONDS)
    return {each for each in pending if each.done()}, {each for each in pending if not each.done()}


def _call(future: "Future[Any]", function: Callable[..., Any], *args: Any) -> None:
    try:
        future.set_result(function(*args))
    except Exception as error:  # noqa: BLE001 - a future keeps it
        future.set_exception(error)
