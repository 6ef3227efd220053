"""Apps that have no tasks of others: Celery shares what is declared on any app of a process."""

from celery import Celery


def lonely(app: Celery) -> Celery:
    """Take from an app the tasks that were not declared on it."""
    for name in [name for name in app.tasks if not name.startswith("celery.")]:
        app.tasks.unregister(name)
    return app
