"""How often a client asks whether there are replies: often at first, and hardly if none can come.

An inspect waits for a second since the last reply, a ``ping`` of named nodes until all have
answered.
"""

from collections.abc import Callable

#: Pauses before the first questions; the last one is the pause before every further one.
PAUSES_SECONDS = (0.04, 0.06, 0.09, 0.135, 0.2, 0.25)

#: After replies, the pauses begin anew with the one behind so many.
_ASKED_AFTER_REPLIES = 2

#: The pause where nobody was asked anything: replies that come are late ones.
IDLE_SECONDS = 1.0

#: Seconds for which whoever was asked may be expected to answer.
EXPECTED_SECONDS = 60.0


class ReplyPolling:
    """Says when to ask; for one thread.

    Args:
        expects: tells when somebody was last asked for a reply, in seconds of a monotonic clock;
            None if nobody was.
    """

    def __init__(self, expects: Callable[[], float | None]) -> None:
        self._expects = expects
        self._asked = 0
        self._expected_since: float | None = None

    def pause_seconds(self, now: float) -> float:
        """Return how many seconds to wait before the next question, which is asked then.

        Args:
            now: by the clock of ``expects``, in seconds.
        """
        since = self._expects()
        if since is None or now > since + EXPECTED_SECONDS:
            return IDLE_SECONDS
        if since != self._expected_since:
            self._expected_since, self._asked = since, 0
        pause = PAUSES_SECONDS[min(self._asked, len(PAUSES_SECONDS) - 1)]
        self._asked += 1
        return pause

    def found(self, replies: int) -> None:
        """Ask more often again if replies came: others may be under way.

        Args:
            replies: how many came.
        """
        if replies:
            self._asked = min(self._asked, _ASKED_AFTER_REPLIES)
