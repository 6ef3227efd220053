"""Makes ``aws+sqs://`` known to kombu, in every process that imports Celery.

kombu has no entry point group for transports. It does load the group ``kombu.serializers``
whenever ``kombu.serialization`` is imported, which Celery always does; the entry point of
this package points here. Importing the module is the registration.

It also sees to it that the very first group of a process goes out in a batch: Celery publishes that
before it has loaded a transport or a result backend. What it does load before, whatever comes
first, is ``celery.loaders.base``, with its configuration; that import is the signal.

An error here would break every import of kombu: this module may import the standard library
and ``kombu.transport``, nothing else. Facts: celery/canvas.py (``group.apply_async`` looks at
``task_always_eager`` before anything else), celery/app/base.py (``loader``),
kombu/transport/__init__.py (TRANSPORT_ALIASES), kombu/serialization.py (end of file),
kombu/connection.py (``Connection.__init__`` cuts the scheme at the first ``+``; ``switch`` looks
the whole scheme up).
"""

import json
import sys
from importlib import import_module
from typing import Any

from kombu.transport import TRANSPORT_ALIASES

TRANSPORT = "celery_aws.broker:Transport"

for _alias in ("aws", "aws+sqs"):
    TRANSPORT_ALIASES.setdefault(_alias, TRANSPORT)


class _BeforeFirstGroup:
    """Is asked for each module that is imported, by Python, and waits for one.

    It stays where it is: other threads may go through the list, and to take one out of it makes
    them, and this very import, pass over another.
    """

    @staticmethod
    def find_spec(name: str, _path: Any = None, _target: Any = None) -> None:
        """Find nothing, which leaves the import to others."""
        if name == "celery.loaders.base":
            import_module("celery.canvas")
            import_module("celery_aws.groups").batch_celerys_groups()


if "celery.loaders.base" not in sys.modules:
    sys.meta_path.insert(0, _BeforeFirstGroup)


#: What the entry point has to return: encoder, decoder, content type, content encoding.
#: The content type is our own, so that Celery's ``json`` stays what it is.
serializer = (json.dumps, json.loads, "application/x-celery-aws-json", "utf-8")
