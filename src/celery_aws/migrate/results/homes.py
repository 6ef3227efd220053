"""Where a chord lives: the backend in which it began, whoever runs its tasks.

Our backend writes a chord down before the first of its tasks is sent. The others may know of it
only when the last one is (celery/canvas.py, ``_apply_tasks``). So ours is asked, and what it does
not know is the other's: also a chord so young that the other does not know it yet.
"""

from kombu.utils.functional import LRUCache

from celery_aws.migrate.results.sides import Side

#: Chords of ours that this process need not ask for again.
_REMEMBERED = 1_000


class ChordHomes:
    """Which of two backends each chord is in.

    Args:
        new: the one that is written to.
        old: the other.
    """

    def __init__(self, new: Side, old: Side) -> None:
        self._asked = [side for side in (new, old) if side.is_ours]
        others = [side for side in (old, new) if not side.is_ours]
        self._otherwise = others[0] if others else new
        self._known = LRUCache(limit=_REMEMBERED)

    def of(self, group_id: str) -> Side:
        """Return the backend of a chord.

        Raises:
            AwsError: ours could not be asked.

        Costs one GetItem, once a process for a chord of ours.
        """
        try:
            found: Side = self._known[group_id]
        except KeyError:
            found = self._look(group_id)
        return found

    def _look(self, group_id: str) -> Side:
        for side in self._asked:
            if side.backend.knows_chord(group_id):
                self._known[group_id] = side
                return side
        return self._otherwise
