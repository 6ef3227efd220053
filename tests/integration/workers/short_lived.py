"""The project's app, whose workers write down what they asked however short they live."""

from proj import app  # type: ignore[import-not-found]  # the worker runs in this folder

from celery_aws.cost import recording

__all__ = ["app"]

vars(recording)["LEAST_LIFE_SECONDS"] = 0.0
