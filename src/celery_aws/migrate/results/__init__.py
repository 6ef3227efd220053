"""Results on their way from one backend to another: read from both, copied, chords included."""

from celery_aws.migrate.results.backend import ResultBackend as ResultBackend
from celery_aws.migrate.results.copying import copy_results as copy_results
from celery_aws.migrate.results.inventory import result_inventory as result_inventory
from celery_aws.migrate.results.tally import ResultTally as ResultTally

__all__ = ["ResultBackend", "ResultTally", "copy_results", "result_inventory"]
