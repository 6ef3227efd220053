"""``celery aws ...`` and ``celery-aws ...``."""
