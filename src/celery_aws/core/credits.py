"""Credits: how many messages a channel may still take, as an immutable value.

A credit is *reserved* before a receive asks SQS for a message, becomes *held* when the
message is delivered, and is free again when the message is settled. So the prefetch count
holds for any number of queues, and no message waits invisibly in a worker without a slot.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Credits:
    """The books of one channel; every method returns new books."""

    #: Most messages held at once; 0 is no limit.
    prefetch_count: int = 0
    #: Messages asked for and not delivered yet.
    reserved: int = 0
    #: Messages delivered and not settled yet.
    held: int = 0

    @property
    def free(self) -> int | None:
        """Messages that may still be asked for; None is any number."""
        if not self.prefetch_count:
            return None
        return max(0, self.prefetch_count - self.reserved - self.held)

    def with_prefetch_count(self, prefetch_count: int) -> "Credits":
        """Change the limit; what is reserved or held beyond it runs out by itself."""
        return Credits(prefetch_count=prefetch_count, reserved=self.reserved, held=self.held)

    def within_slots(self, slots: int | None, *, delivering: int) -> "Credits | None":
        """Return the books, limited to the worker's free slots; None if nothing is free.

        Args:
            slots: how many more tasks the worker wants; None where slots do not count.
            delivering: messages that Celery is being handed now, which ``slots`` may not know of.
        """
        if slots is None:
            return self
        unspoken = slots - self.reserved - delivering
        most = unspoken if self.free is None else min(self.free, unspoken)
        return self.with_prefetch_count(self.reserved + self.held + most) if most > 0 else None

    def reserve(self, messages: int) -> "Credits":
        """Ask for messages.

        Raises:
            ValueError: that many are not free.
        """
        if self.free is not None and messages > self.free:
            raise ValueError(f"{messages} credits asked for, {self.free} are free")
        return self._books(self.reserved + messages, self.held)

    def overdraw(self, messages: int) -> "Credits":
        """Reserve credits that may not be free; what is beyond the limit runs out by itself."""
        return self._books(self.reserved + messages, self.held)

    def release(self, messages: int) -> "Credits":
        """Give back what was reserved and did not come."""
        return self._books(_minus(self.reserved, messages), self.held)

    def deliver(self) -> "Credits":
        """One reserved message was delivered."""
        return self._books(_minus(self.reserved, 1), self.held + 1)

    def hold(self) -> "Credits":
        """One message was delivered that nobody had reserved (a synchronous get)."""
        return self._books(self.reserved, self.held + 1)

    def settle(self, messages: int = 1) -> "Credits":
        """Held messages were acknowledged, rejected or given back."""
        return self._books(self.reserved, _minus(self.held, messages))

    def _books(self, reserved: int, held: int) -> "Credits":
        # Not by dataclasses.replace, which takes several times as long: it is done twice a message.
        return Credits(prefetch_count=self.prefetch_count, reserved=reserved, held=held)


def _minus(count: int, messages: int) -> int:
    if messages > count:
        raise ValueError(f"{messages} of {count}")
    return count - messages
