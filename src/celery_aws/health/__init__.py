"""Whether a worker is alive and ready, told to whoever asks without asking AWS."""
