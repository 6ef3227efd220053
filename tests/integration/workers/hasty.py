"""The app ``chorded`` with claims on chords that are over soon, where a test waits for that."""

import os

from chorded import app  # type: ignore[import-not-found]  # the worker runs in this folder

from celery_aws.results import chord_ledger

__all__ = ["app"]

chord_ledger.CLAIM_SECONDS = float(os.environ.get("PROJ_CLAIM_SECONDS", chord_ledger.CLAIM_SECONDS))
