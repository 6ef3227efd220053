"""RabbitMQ as a side of a migration: its messages, what is in it, and the way back."""
