"""Transient queues, their inboxes and who sends to them: control commands, replies, events."""
