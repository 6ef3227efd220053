"""What a process may do with inboxes: its own, those of others, and those left behind."""

from celery_aws.iam.resources import Resources

#: Makes, reads and removes its own; tells other processes, which is how control commands go.
INBOX_ACTIONS = "CreateQueue DeleteQueue ReceiveMessage DeleteMessage SendMessage"


def inbox_tags(found: Resources) -> str:
    """Return the action that inboxes with tags take, or nothing."""
    options = found.deployment.options
    return "TagQueue" if options is not None and options.queue_tags else ""
