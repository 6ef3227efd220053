"""Any order of writes, by us and by stock, and of time: a success stays until it expires."""

import json
from typing import Any

from celery import Celery
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from celery_aws.results.items import table_spec
from celery_aws.testing.clock import FakeClock
from celery_aws.testing.memory_dynamodb import MemoryTableService
from tests.unit.results.conftest import TABLE, URL, Stock
from tests.unit.results.test_store import KEY, a_store, status_of

STATES = st.sampled_from(["STARTED", "RETRY", "FAILURE", "SUCCESS"])
LIVES = st.sampled_from([None, 10, 100])


class StoreOrder(RuleBasedStateMachine):
    """The model is what a reader must see: the last accepted state and when it ends."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.service = MemoryTableService(clock=self.clock)
        self.service.create_table(TABLE, table_spec(read_capacity=None, write_capacity=None))
        self.store = a_store(self.service, self.clock)
        app = Celery("order", set_as_current=False)
        app.conf.result_backend = f"aws+{URL}"
        self.stock = Stock(app, self.service)
        self.seen: dict[str, Any] | None = None
        self.ends_at: float | None = None
        self.written = 0

    @rule(status=STATES, life_seconds=LIVES)
    def we_write(self, status: str, life_seconds: int | None) -> None:
        self.written += 1
        meta = {"status": status, "number": self.written}
        blocked = self.visible() is not None and self.visible()["status"] == "SUCCESS"
        accepted = self.store.write_state(
            KEY,
            json.dumps(meta).encode(),
            status=status,
            life_seconds=life_seconds,
            status_of=status_of,
        )
        assert accepted is not blocked
        if accepted:
            self.seen = meta
            self.ends_at = None if life_seconds is None else self.now() + life_seconds

    @rule(status=STATES)
    def stock_writes(self, status: str) -> None:
        # Stock looks first, as its base class does, and never sets a time that is over.
        if self.visible() is None or self.visible()["status"] != "SUCCESS":
            self.written += 1
            # Two items of stock are told apart by their time.
            self.clock.advance(0.001)
            self.seen = {"status": status, "number": self.written}
            self.ends_at = None
            self.stock.put(KEY, self.seen)

    @rule(seconds=st.sampled_from([0.5, 9.0, 60.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @invariant()
    def a_reader_sees_what_was_accepted_last(self) -> None:
        stored = self.store.read(KEY)
        assert (None if stored is None else json.loads(stored)) == self.visible()
        assert self.store.read_many([KEY]) == ({} if stored is None else {KEY: stored})

    def now(self) -> int:
        return int(self.clock.now().timestamp())

    def visible(self) -> Any:
        over = self.ends_at is not None and self.ends_at < self.now()
        return None if over else self.seen


TestStoreOrder = StoreOrder.TestCase
TestStoreOrder.settings = settings(max_examples=60, stateful_step_count=25)
