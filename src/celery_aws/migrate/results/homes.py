"""Where a chord lives: the backend in which it began, whoever runs its tasks.

Our backend writes a chord down before the first of its tasks is sent. The others may know of it
only when the last one is (celery/canvas.py, ``_apply_tasks``). So ours is asked, and what it does
not know is the other's: also a chord so young that the other does not know it yet. Of Redis's, some
are being moved: :mod:`celery_aws.migrate.results.chord_moves`.
"""

from kombu.utils.functional import LRUCache

from celery_aws.migrate.results.chord_moves import ChordMoves
from celery_aws.migrate.results.sides import Side
from celery_aws.results.chord_items import is_moving

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
        self._moves: ChordMoves | None = None
        chords = self._otherwise.redis_chords
        if chords is not None:
            self._moves = ChordMoves(chords, self._asked[0].backend)
        self._known = LRUCache(limit=_REMEMBERED)

    def of(self, group_id: str) -> Side:
        """Return the backend of a chord; one that is being moved is here when this returns.

        Raises:
            AwsError: ours could not be asked.

        Costs one GetItem, once a process for a chord of ours.
        """
        try:
            found: Side = self._known[group_id]
        except KeyError:
            found = self._look(group_id)
        return found

    def moved_from(self, home: Side, group_id: str) -> Side | None:
        """Return where a chord is by now that was in ``home``; None if it is still there.

        Raises as :meth:`of`. Costs one GetItem for a chord of Redis.
        """
        if self._moves is None or home.is_ours:
            return None
        found = self._look(group_id)
        return found if found.is_ours else None

    def add(self, group_id: str, result: object) -> None:
        """Let a chord wait for one more task."""
        home = self.of(group_id)
        if self._moves is not None and not home.is_ours:
            if self._moves.add(group_id):
                return
            moved = self.moved_from(home, group_id)
            if moved is None:
                return  # its size is not known yet, and will be counted with this
            home = moved
        home.backend.add_to_chord(group_id, result)

    def _look(self, group_id: str) -> Side:
        for side in self._asked:
            root = side.backend.chord_root(group_id)
            if root is not None and is_moving(root) and self._moves is not None:
                self._moves.end(group_id)
                root = side.backend.chord_root(group_id)
            if root is not None:
                self._known[group_id] = side
                return side
        return self._otherwise
