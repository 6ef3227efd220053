"""What a chord costs in DynamoDB's units: the real backend on an in-memory table."""

from celery import Celery
from celery.app.task import Context
from celery.result import AsyncResult

from celery_aws.names import TableName
from celery_aws.results import DynamoDBBackend
from celery_aws.results.items import table_spec
from celery_aws.testing import MemoryTableService

_URL = "dynamodb://@eu-west-1/results"


class _App(Celery):  # type: ignore[misc]
    made_backend: DynamoDBBackend

    def _get_backend(self) -> DynamoDBBackend:
        return self.made_backend


def chord_units(size: int) -> MemoryTableService:
    """Let all parts of a chord return; return the table, with the units that it has cost."""
    service = MemoryTableService()
    service.create_table(TableName("results"), table_spec(read_capacity=None, write_capacity=None))
    app = _App("units", broker="memory://", set_as_current=False)
    app.conf.result_backend = "aws+dynamodb://@eu-west-1/results"
    app.made_backend = backend = DynamoDBBackend(
        app=app, url=app.conf.result_backend, service=service
    )
    body = app.signature("body", task_id="body")
    tasks = [AsyncResult(f"{number:036}", app=app) for number in range(size)]
    backend.apply_chord(("group", tasks), body)
    backend.set_chord_size("group", size)
    for number, task in enumerate(tasks):
        request = Context(id=task.id, group="group", group_index=number, chord=dict(body))
        backend.mark_as_done(task.id, number, request=request)
    app.close()
    return service
