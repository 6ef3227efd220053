"""Celery's groups go out in batches, by themselves: chunks and the headers of chords too.

All of them are published by one method of Celery's, which gets a scope around it
(:mod:`celery_aws.publish_scope`). With other brokers that scope stays empty. Nothing here imports
Celery before somebody uses it, nor anything heavy. Facts: celery/canvas.py of 5.5 to 5.7
(``group.apply_async`` makes a list of what the generator ``_apply_tasks`` yields; a chord's size is
set before its last task is published).
"""

import functools
import sys
from collections.abc import Iterator
from typing import Any

from celery_aws.publish_scope import PublishScope, publishing_in

#: Our mark on the method, which says that it was done.
_MARK = "batched_by_celery_aws"


def batch_celerys_groups() -> None:
    """Let every group of this process publish in a scope; once done, it does nothing.

    It does nothing either where Celery's groups are not loaded, or made in another way.
    """
    canvas = sys.modules.get("celery.canvas")
    group = getattr(canvas, "group", None)
    publish = getattr(group, "_apply_tasks", None)
    if group is None or publish is None or hasattr(publish, _MARK):
        return

    @functools.wraps(publish)
    def in_a_batch(
        self: Any, tasks: Any, producer: Any = None, app: Any = None, *args: Any, **options: Any
    ) -> Iterator[Any]:
        scope = PublishScope(
            app or self.app,
            of_group=True,
            # Celery keeps a generator as one, and publishes what it has yielded.
            lazy=type(self.tasks) not in (list, tuple),
            retry=options.get("retry"),
            retry_policy=options.get("retry_policy"),
        )
        with publishing_in(scope):
            # All of it here: a generator would leave its scope to whoever runs between two tasks.
            return iter(list(publish(self, tasks, producer, app, *args, **options)))

    setattr(in_a_batch, _MARK, True)
    group._apply_tasks = in_a_batch  # noqa: SLF001
