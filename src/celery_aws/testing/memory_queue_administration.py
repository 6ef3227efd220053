"""SQS in memory, with what makes and changes queues asks beside what a broker asks.

A double of :class:`celery_aws.aws.queue_administration.QueueAdministration`; it runs the same
contract suite as the boto3 one. Not simulated: that a change takes up to 60 s to be seen.
"""

from collections.abc import Mapping

from celery_aws.names import QueueUrl
from celery_aws.testing.memory_rules import check_queue_attributes
from celery_aws.testing.memory_sqs import MemorySqs

#: Attributes that an empty value removes.
_REMOVABLE = frozenset({"KmsMasterKeyId", "Policy", "RedriveAllowPolicy", "RedrivePolicy"})


class MemoryQueueAdministration(MemorySqs):
    """Queues in memory that can be changed; thread-safe."""

    def set_queue_attributes(self, url: QueueUrl, attributes: Mapping[str, str]) -> None:
        """Change attributes of a queue, at once."""
        with self._request("SetQueueAttributes", url):
            queue = self._account.at(url)
            kept = {key: value for key, value in attributes.items() if value}
            # FifoQueue is no attribute that can be set, and is there to be checked.
            fifo = {key: queue.given[key] for key in ("FifoQueue",) if key in queue.given}
            check_queue_attributes(queue.name, {**fifo, **kept})
            self._account.check_dead_letter_queue(queue.name, kept)
            if "KmsMasterKeyId" in kept:
                queue.given.pop("SqsManagedSseEnabled", None)
            queue.given.update(kept)
            for key in _REMOVABLE.intersection(attributes) - kept.keys():
                queue.given.pop(key, None)

    def queue_tags(self, url: QueueUrl) -> dict[str, str]:
        """Return the tags of a queue."""
        with self._request("ListQueueTags", url):
            return dict(self._account.at(url).tags)

    def tag_queue(self, url: QueueUrl, tags: Mapping[str, str]) -> None:
        """Add tags to a queue."""
        with self._request("TagQueue", url):
            self._account.at(url).tags.update(tags)

    def queues_named(self, prefix: str) -> list[QueueUrl]:
        """Return the queues whose name begins so."""
        with self._request("ListQueues", prefix):
            return [queue.url for queue in self._account.all() if queue.name.startswith(prefix)]
