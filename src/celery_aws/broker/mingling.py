"""Which of Celery's ways for workers to talk to each other are on.

Celery has a list of transports for each (celery/worker/consumer/mingle.py and gossip.py,
``compatible_transports``), and looks at it after the transport was made. Mingle is one question at
a worker's start. Gossip is every event of every worker to every other one, which on Redis costs
nothing and here a request each: it is an option.
"""

import sys

#: What the lists call this transport.
NAME = "aws"


def let_mingle(*, control: bool, gossip: bool) -> None:
    """Put this transport into Celery's lists, or take it out; where Celery's worker is loaded.

    Args:
        control: there is remote control, and workers may mingle.
        gossip: they shall gossip too.
    """
    _allow("mingle", "Mingle", control)
    _allow("gossip", "Gossip", control and gossip)


def _allow(module: str, step: str, allowed: bool) -> None:
    loaded = sys.modules.get(f"celery.worker.consumer.{module}")
    if loaded is None:
        return
    transports: set[str] = getattr(loaded, step).compatible_transports
    if allowed:
        transports.add(NAME)
    else:
        transports.discard(NAME)
