"""Settings of a worker that is watched and stopped by others; see docs/how-to/health.md."""

broker_url = "aws+sqs://"
broker_connection_retry_on_startup = True

# What is cut off runs again elsewhere.
task_acks_late = True

# The grace period of the examples, 120 s, less ten seconds; with REMAP_SIGTERM=SIGQUIT.
worker_soft_shutdown_timeout = 110
