"""Makes ``aws+sqs://`` known to kombu, in every process that imports Celery.

kombu has no entry point group for transports. It does load the group ``kombu.serializers``
whenever ``kombu.serialization`` is imported, which Celery always does; the entry point of
this package points here. Importing the module is the registration.

It also sees to it that the very first group of a process goes out in a batch
(:mod:`celery_aws._awaited_imports`).

An error here would break every import of kombu: this module may import the standard library
and ``kombu.transport``, nothing else. Facts: kombu/transport/__init__.py (TRANSPORT_ALIASES),
kombu/serialization.py (end of file), kombu/connection.py (``Connection.__init__`` cuts the
scheme at the first ``+``; ``switch`` looks the whole scheme up).
"""

import json

from kombu.transport import TRANSPORT_ALIASES

from celery_aws._awaited_imports import await_imports

TRANSPORT = "celery_aws.broker:Transport"

for _alias in ("aws", "aws+sqs"):
    TRANSPORT_ALIASES.setdefault(_alias, TRANSPORT)

await_imports()

#: What the entry point has to return: encoder, decoder, content type, content encoding.
#: The content type is our own, so that Celery's ``json`` stays what it is.
serializer = (json.dumps, json.loads, "application/x-celery-aws-json", "utf-8")
