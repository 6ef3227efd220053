"""Remote control on four real workers: every command, what it costs, and how long it takes."""
