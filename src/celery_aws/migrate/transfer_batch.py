"""One batch of claimed messages, from its claim to its commit.

The order is all that matters. What must not be sent goes to the quarantine file, which is synced;
the rest is sent; what became of each is noted in the journal; and only then the source forgets
them. What may have been sent is not given back, where the source can keep it. Killed between any
two steps, the next run finds the batch claimed: what has a fate by then is only committed, and the
others go once more. So nothing is lost, and what is sent twice is one batch at most.
"""

import logging
import random
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress

from celery_aws.clock import Clock
from celery_aws.core.backoff import Backoff, Random, is_worth_logging
from celery_aws.core.outgoing_entries import may_be_accepted
from celery_aws.errors import (
    BrokerLostError,
    CeleryAwsError,
    ServiceFaultError,
    TemporaryError,
    UnreachableError,
)
from celery_aws.migrate.journal import Entry, Journal
from celery_aws.migrate.messages import Carried, Fate, Refused, Sent, Unreadable, Unsent
from celery_aws.migrate.quarantine import Quarantine, Quarantined
from celery_aws.migrate.sides import Claim, Source, Target
from celery_aws.migrate.tally import Tally
from celery_aws.migrate.twins import Twins, has_twins

logger = logging.getLogger(__name__)

#: Seconds for which a batch that is not accepted is tried again, before it is given back.
PATIENCE_SECONDS = 60.0

#: What parks a task.
_PARKING = frozenset({"BatchWriteItem", "PutItem"})

_PAUSES = Backoff(base_seconds=0.2, cap_seconds=5.0)


class Batches:
    """Settles the batches of one thread.

    Args:
        source: where they were claimed.
        target: where they go.
        journal: knows what became of messages.
        quarantine: takes those that do not go.
        twins: tells messages apart that say the same; those of all threads.
        revoked: ids of tasks that are not to run.
        tally: counts.
        clock: for the journal, and for pauses between tries.
        stopped: tells whether somebody wants the run to stop.
        jitter: spreads the pauses.
    """

    def __init__(
        self,
        source: Source,
        target: Target,
        *,
        journal: Journal,
        quarantine: Quarantine,
        twins: Twins,
        revoked: Collection[str],
        tally: Tally,
        clock: Clock,
        stopped: Callable[[], bool],
        jitter: Random = random.random,
    ) -> None:
        self._source = source
        self._target = target
        self._journal = journal
        self._quarantine = quarantine
        self._twins = twins
        self._named: Mapping[int, Carried] = {}
        self._revoked = revoked
        self._tally = tally
        self._clock = clock
        self._stopped = stopped
        self._jitter = jitter

    def settle(self, claims: Sequence[Claim]) -> None:
        """Send what was claimed, note what became of it, and let the source forget it.

        Raises:
            CeleryAwsError: some cannot be sent, and it does not help to try again, or was tried for
                long enough; they were given back, and the others are settled.
            BrokerLostError: the source did not answer for as long; what was sent is noted, and
                comes again in another run.

        Costs what the target's ``send`` and the source's ``commit`` cost.
        """
        known = self._fates(claims)
        again = [each for each in claims if each.seen_before and each.message.key in known]
        met = {id(each) for each in again}
        new = [each for each in claims if id(each) not in met]
        self._commit(again)
        self._tally.again += len(again)
        aside = [(each, found) for each in new if (found := self._aside(each)) is not None]
        self._set_aside([found for _, found in aside])
        self._commit([each for each, _ in aside])
        kept = {id(each) for each, _ in aside}
        rest = [each for each in new if id(each) not in kept]
        if not has_twins(self._source):
            self._send(rest)
            return
        with self._twins.told_apart(rest) as self._named:
            self._send(rest)

    def _fates(self, claims: Sequence[Claim]) -> Mapping[str, Fate]:
        keys = [each.message.key for each in claims if each.seen_before]
        return self._journal.fates(keys) if keys else {}

    def _aside(self, claim: Claim) -> Quarantined | None:
        message = claim.message
        if isinstance(message, Unreadable):
            return Quarantined(message=message, fate=Fate.QUARANTINED, reason=message.reason)
        if claim.revoked or message.task_id in self._revoked:
            return Quarantined(message=message, fate=Fate.REVOKED, reason="its task was revoked")
        return None

    def _set_aside(self, messages: Sequence[Quarantined]) -> None:
        """Write messages to the quarantine file and then to the journal."""
        if not messages:
            return
        now = self._clock.now()
        self._quarantine.add(messages, now=now)
        self._journal.record([_set_aside_entry(each, self._clock) for each in messages])
        for each in messages:
            if each.fate is Fate.REVOKED:
                self._tally.revoked += 1
            else:
                self._tally.quarantined += 1

    def _send(self, claims: Sequence[Claim]) -> None:
        """Send messages until each has a fate, or patience ends."""
        maybe_sent: set[str] = set()
        until = self._clock.monotonic() + PATIENCE_SECONDS
        attempt = 0
        while claims:
            failed = self._sent(claims, maybe_sent)
            if not failed:
                return
            claims = [claim for claim, _ in failed]
            maybe_sent.update(each.message.key for each, why in failed if _may_be_there(why))
            error = _worst([why for _, why in failed])
            ends = _lasts(error) or self._clock.monotonic() >= until
            if ends or self._stopped():
                self._let_go(claims, maybe_sent)
                if ends:
                    raise error
                return
            self._pause(attempt, "not sent", error)
            attempt += 1

    def _sent(
        self, claims: Sequence[Claim], maybe_sent: Collection[str]
    ) -> list[tuple[Claim, Exception]]:
        """Send messages once, and settle them; return those that were not sent, and why."""
        messages = [
            self._named.get(id(each), each.message)
            for each in claims
            if isinstance(each.message, Carried)
        ]
        self._source.sending(claims)
        try:
            answers = self._target.send(messages)
        except CeleryAwsError:
            self._let_go(claims, maybe_sent)
            raise
        failed: list[tuple[Claim, Exception]] = []
        refused: list[tuple[Claim, Quarantined]] = []
        sent: list[tuple[Claim, Entry]] = []
        for claim, message, answer in zip(claims, messages, answers, strict=True):
            if isinstance(answer, Unsent):
                failed.append((claim, answer.error))
            elif isinstance(answer, Refused):
                fate, reason = Fate.QUARANTINED, answer.reason
                refused.append((claim, Quarantined(message=message, fate=fate, reason=reason)))
            else:
                sent.append((claim, _sent_entry(message, answer, self._clock)))
        self._settle_sent(sent)
        self._set_aside([each for _, each in refused])
        self._commit([claim for claim, _ in refused])
        return failed

    def _settle_sent(self, sent: Sequence[tuple[Claim, Entry]]) -> None:
        try:
            self._journal.record([entry for _, entry in sent])
        finally:
            # Also if the journal cannot be written: no worker of the source may run them, too.
            self._commit([claim for claim, _ in sent])
        parked = sum(entry.parked for _, entry in sent)
        self._tally.parked += parked
        self._tally.sent += len(sent) - parked

    def _commit(self, claims: Sequence[Claim]) -> None:
        """Let the source forget messages; what is sent and not forgotten would be a second one."""
        if not claims:
            return
        until = self._clock.monotonic() + PATIENCE_SECONDS
        attempt = 0
        while (error := self._commit_error(claims)) is not None:
            if self._clock.monotonic() >= until:
                self._leave_to_itself(claims)
                raise error
            self._pause(attempt, "sent, and not forgotten yet", error)
            attempt += 1

    def _commit_error(self, claims: Sequence[Claim]) -> BrokerLostError | None:
        try:
            self._source.commit(claims)
        except BrokerLostError as error:
            return error
        return None

    def _let_go(self, claims: Sequence[Claim], maybe_sent: Collection[str]) -> None:
        """Give back what was not sent; what may have been, only if its source cannot keep it."""
        uncertain = [each for each in claims if each.message.key in maybe_sent]
        self._tally.left += len(claims)
        self._tally.uncertain += len(uncertain)
        try:
            self._source.give_back([each for each in claims if each.message.key not in maybe_sent])
        except BrokerLostError:
            self._leave_to_itself(claims)
            raise
        if not uncertain:
            return
        stays = self._source.leave(uncertain)
        for each in uncertain:
            logger.warning(
                "queue %s: message %s may have been sent, as no answer came: it %s",
                each.message.queue,
                each.message.key,
                "stays claimed, and is sent again by the next run"
                if stays
                else "was given back, so that its task may run twice",
            )

    def _leave_to_itself(self, claims: Sequence[Claim]) -> None:
        """Have claims again once their source answers: a run that follows must not sit on them."""
        with suppress(BrokerLostError):
            self._source.leave(claims)

    def _pause(self, attempt: int, what: str, error: Exception) -> None:
        if is_worth_logging(attempt + 1):
            logger.warning("%s; it is tried again (%s): %s", what, attempt + 1, error)
        self._clock.sleep(_PAUSES.wait_seconds(attempt, self._jitter))


def _worst(errors: Sequence[Exception]) -> Exception:
    """Return the error that says most: one that does not pass, if there is one."""
    return next((error for error in errors if _lasts(error)), errors[0])


def _lasts(error: Exception) -> bool:
    """Tell whether trying again does not help: a right is missing, or a queue."""
    passes = isinstance(error, TemporaryError | BrokerLostError)
    return isinstance(error, CeleryAwsError) and not passes


def _may_be_there(error: Exception) -> bool:
    """Tell whether the target may have a message that it did not answer for, parked or sent."""
    parking = (
        isinstance(error, ServiceFaultError | UnreachableError) and error.operation in _PARKING
    )
    return parking or may_be_accepted(error)


def _set_aside_entry(quarantined: Quarantined, clock: Clock) -> Entry:
    message = quarantined.message
    return Entry(
        key=message.key,
        queue=message.queue,
        fate=quarantined.fate,
        at=clock.now(),
        task_id=message.task_id if isinstance(message, Carried) else None,
    )


def _sent_entry(message: Carried, sent: Sent, clock: Clock) -> Entry:
    return Entry(
        key=message.key,
        queue=message.queue,
        fate=Fate.SENT,
        at=clock.now(),
        task_id=message.task_id,
        message_id=sent.message_id,
        parked=sent.parked,
    )
