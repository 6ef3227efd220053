"""A world in simulated time: processes whose threads run one at a time, and can be killed.

A thread of a process is a real thread, but only one of all runs at any moment: the others wait for
their time. So a run of the same seed is the same run, and hours take seconds. A thread gives the
word to the next whenever it asks for something that takes time (:meth:`World.sleep`), and that is
where it can be killed, or stopped for a while as by SIGSTOP.
"""

import heapq
import threading
from collections.abc import Callable
from itertools import count
from math import inf
from random import Random

#: What runs when its time has come; on the thread of the test.
Action = Callable[[], object]


class Killed(BaseException):
    """Ends a thread of a process that was killed; nothing in the package may catch it."""


class Process:
    """What is killed or stopped as one.

    Attributes:
        name: for people.
        alive: False once it was killed.
        stopped_until: until when none of its threads runs.
        on_request: is told of each request of this process, by operation and stage: "begun" before
            it is on the wire, "done" when it took effect and the answer is on its way.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True
        self.stopped_until = 0.0
        self.on_request: Callable[[str, str], object] | None = None
        self.threads: list[_Thread] = []

    def reached(self, operation: str, stage: str) -> None:
        if self.on_request is not None:
            self.on_request(operation, stage)


class World:
    """The scheduler, and the time.

    Args:
        seed: of all random numbers.

    Attributes:
        seconds: since the world began.
        random: the numbers of that seed.
    """

    def __init__(self, seed: int) -> None:
        self.seconds = 0.0
        self.random = Random(seed)
        self._agenda: list[tuple[float, int, _Thread | Action, int]] = []
        self._numbers = count()
        self._current = threading.local()
        self._processes: list[Process] = []
        self._waiting: dict[object, list[_Thread]] = {}

    def process(self, name: str) -> Process:
        """Make a process; it has no thread yet."""
        made = Process(name)
        self._processes.append(made)
        return made

    def spawn(self, process: Process, function: Callable[[], object]) -> None:
        """Start a thread of a process; it runs when the one that runs now sleeps."""
        thread = _Thread(self, process, function)
        process.threads = [each for each in process.threads if not each.over]
        process.threads.append(thread)
        self._enter(self.seconds, thread)

    def at(self, seconds: float, action: Action) -> None:
        """Run ``action`` at a time, or now if that is over."""
        self._enter(max(seconds, self.seconds), action)

    def here(self) -> Process | None:
        """Return the process whose thread asks; None on the thread of the test."""
        thread: _Thread | None = getattr(self._current, "thread", None)
        return None if thread is None else thread.process

    def sleep(self, seconds: float) -> None:
        """Let others run for ``seconds``; on the thread of the test, everybody."""
        thread: _Thread | None = getattr(self._current, "thread", None)
        if thread is None:
            self.run_until(self.seconds + seconds)
            return
        thread.check()
        self._enter(self.seconds + max(0.0, seconds), thread)
        thread.give_back()

    def wait(self, seconds: float = inf, *, about: object = None) -> bool:
        """Sleep, but only until somebody calls :meth:`signal`; not on the thread of the test.

        Returns:
            False if the time is up.
        """
        thread: _Thread = self._current.thread
        waiting = self._waiting.setdefault(about, [])
        waiting.append(thread)
        self.sleep(seconds)
        signalled = thread not in waiting
        if not signalled:
            waiting.remove(thread)
        return signalled

    def signal(self, about: object = None) -> None:
        """Wake everybody who waits for that."""
        waiting = self._waiting.get(about, [])
        for thread in waiting:
            self._enter(self.seconds, thread)
        waiting.clear()

    def kill(self, process: Process) -> None:
        """End all threads of a process where they are; not from one of them."""
        process.alive = False
        for thread in process.threads:
            thread.resume()
        process.threads.clear()

    def stop(self, process: Process, seconds: float) -> None:
        """Let no thread of a process run for ``seconds``, as SIGSTOP and SIGCONT do."""
        process.stopped_until = self.seconds + seconds

    def run_until(self, seconds: float) -> None:
        """Run everybody until a time."""
        while self._agenda and self._agenda[0][0] <= seconds:
            moment, _, next_one, turn = heapq.heappop(self._agenda)
            if isinstance(next_one, _Thread):
                if not next_one.process.alive or next_one.turn != turn:
                    continue
                if next_one.process.stopped_until > moment:
                    self._enter(next_one.process.stopped_until, next_one)
                    continue
            self.seconds = moment
            if isinstance(next_one, _Thread):
                next_one.resume()
            else:
                next_one()
        self.seconds = seconds

    def end(self) -> None:
        """Kill everybody."""
        for process in self._processes:
            self.kill(process)

    def _enter(self, seconds: float, what: "_Thread | Action") -> None:
        turn = what.turn if isinstance(what, _Thread) else 0
        heapq.heappush(self._agenda, (seconds, next(self._numbers), what, turn))


class _Thread:
    """A thread that runs only when the world lets it."""

    def __init__(self, world: World, process: Process, function: Callable[[], object]) -> None:
        self.process = process
        self.over = False
        #: How often it was resumed: what it was to be woken for before is no more.
        self.turn = 0
        self._world = world
        self._function = function
        self._error: BaseException | None = None
        # Each is released by the one side and acquired by the other.
        self._go = threading.Lock()
        self._back = threading.Lock()
        self._go.acquire()
        self._back.acquire()
        self._thread = threading.Thread(target=self._run, name=process.name, daemon=True)
        self._started = False

    def resume(self) -> None:
        """Let it run until it sleeps or ends; raises what it raised."""
        if self.over:
            return
        self.turn += 1
        if not self._started:
            self._started = True
            self._thread.start()
        self._go.release()
        self._back.acquire()
        if self._error is not None:
            raise self._error

    def give_back(self) -> None:
        """Wait for the next :meth:`resume`; called by the thread itself."""
        self._back.release()
        self._go.acquire()
        self.check()

    def check(self) -> None:
        if not self.process.alive:
            raise Killed

    def _run(self) -> None:
        self._go.acquire()
        self._world._current.thread = self
        try:
            self.check()
            self._function()
        except Killed:
            pass
        except BaseException as error:  # noqa: BLE001 - raised where the test is
            self._error = error
        finally:
            self.over = True
            self._back.release()
