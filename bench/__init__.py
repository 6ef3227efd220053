"""What things cost, counted on the in-memory doubles; run one by ``python -m bench.NAME``."""
