"""What has to be done when others import kombu or Celery, in a process that has this package.

kombu is not imported for it: what needs neither, ``celery-aws health`` above all, shall not wait
for them. A transport is looked up by ``kombu.connection`` alone, so its import is the signal for
the registration. Celery publishes the first group of a process before it has loaded a transport or
a result backend; what it does load before, whatever comes first, is ``celery.loaders.base``, with
its configuration.

This module may import the standard library, nothing else. Facts: kombu/connection.py (the only one
that calls ``get_transport_cls``), celery/canvas.py (``group.apply_async`` looks at
``task_always_eager`` before anything else), celery/app/base.py (``loader``).
"""

import sys
from importlib import import_module
from typing import Any

_KOMBU, _CELERY = "kombu.connection", "celery.loaders.base"


class _AwaitedImports:
    """Is asked for each module that is imported, by Python, and waits for two.

    It stays where it is: other threads may go through the list, and to take one out of it makes
    them, and this very import, pass over another.
    """

    @staticmethod
    def find_spec(name: str, _path: Any = None, _target: Any = None) -> None:
        """Find nothing, which leaves the import to others."""
        if name in (_KOMBU, _CELERY):
            import_module("celery_aws._register")
        if name == _CELERY:
            import_module("celery.canvas")
            import_module("celery_aws.groups").batch_celerys_groups()


def await_imports() -> None:
    """Wait for those of the two that were not imported yet; once done, it does nothing."""
    if _KOMBU in sys.modules:
        import_module("celery_aws._register")
    if not {_KOMBU, _CELERY} <= sys.modules.keys() and _AwaitedImports not in sys.meta_path:
        sys.meta_path.insert(0, _AwaitedImports)
