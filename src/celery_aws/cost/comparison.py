"""The comparison: every broker, every store of results, the pairs of them, and where they cross."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from celery_aws.core.prices import PriceBook
from celery_aws.cost.bill import Bill, Item, bill_of
from celery_aws.cost.break_even import BreakEven, break_even
from celery_aws.cost.offers import (
    OUR_BROKER,
    OUR_RESULTS,
    STOCK_BROKER,
    STOCK_RESULTS,
    Offer,
    Rates,
    brokers,
    stores,
)
from celery_aws.cost.workload import Workload
from celery_aws.errors import ConfigurationError


@dataclass(frozen=True, kw_only=True)
class Offered:
    """An offer and its bill, as if the account had nothing else."""

    offer: Offer
    bill: Bill


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A broker and a store of results, on one bill: what is free is free once.

    Attributes:
        broker: the broker.
        store: None if no results are stored.
        bill: of both.
    """

    broker: Offer
    store: Offer | None
    bill: Bill

    @property
    def objections(self) -> tuple[str, ...]:
        """What speaks against either."""
        return (*self.broker.objections, *(() if self.store is None else self.store.objections))

    @property
    def sensible(self) -> bool:
        """True if nothing speaks against it."""
        return not self.objections

    @property
    def shared(self) -> bool:
        """True if results are on the broker's nodes."""
        return self.store is not None and bool(self.store.shares_node)

    @property
    def title(self) -> str:
        """For people."""
        if self.store is None:
            return self.broker.title
        return f"{self.broker.title} + {self.store.title}"

    @property
    def name(self) -> str:
        """For programs."""
        return self.broker.name if self.store is None else f"{self.broker.name}+{self.store.name}"


@dataclass(frozen=True, kw_only=True)
class Crossing:
    """From how many tasks a month on another pair is cheaper than ours, or the other way round."""

    other: Pair
    point: BreakEven


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Everything that is known of a workload's costs.

    Attributes:
        workload: the question.
        brokers: in the order of :mod:`celery_aws.cost.offers`.
        stores: the same; empty if no results are stored.
        pairs: all that have every price, the cheapest first.
        ours: SQS standard and DynamoDB by this package.
        stock: the same by Celery's own.
        crossings: of ours with each broker that is not SQS, the cheapest first.
        free_tier: whether what AWS gives for nothing is taken off.
    """

    workload: Workload
    brokers: tuple[Offered, ...]
    stores: tuple[Offered, ...]
    pairs: tuple[Pair, ...]
    ours: Pair
    stock: Pair
    crossings: tuple[Crossing, ...]
    free_tier: bool

    @property
    def cheapest(self) -> Pair | None:
        """The cheapest pair that nothing speaks against; None if there is none."""
        return next((pair for pair in self.pairs if pair.sensible), None)


class Comparer:
    """Compares workloads by one book of prices; no request.

    Args:
        book: the prices.
        free_tier: take off what AWS gives for nothing.
        rates: requests of a task; None is as measured.
    """

    def __init__(
        self, book: PriceBook, *, free_tier: bool = True, rates: Rates | None = None
    ) -> None:
        self._book = book
        self._free_tier = free_tier
        self._rates = rates

    def compare(self, workload: Workload) -> Comparison:
        """Return the costs of a workload, wherever it may run.

        Raises:
            ConfigurationError: no price of its region is known.
        """
        if workload.region not in self._book.regions:
            raise ConfigurationError(
                f"no price of region {workload.region!r} is known, but of "
                f"{', '.join(self._book.regions)}. Ask AWS for it: `celery-aws cost refresh-prices "
                f"--region {workload.region}`",
                where="region",
            )
        pairs = list(self.pairs(workload))
        known = sorted((pair for pair in pairs if pair.bill.complete), key=_order)
        ours = _named(pairs, OUR_BROKER, OUR_RESULTS)
        return Comparison(
            workload=workload,
            brokers=tuple(self._offered(workload, brokers(workload, self._rates))),
            stores=tuple(self._offered(workload, stores(workload) if workload.results else ())),
            pairs=tuple(known),
            ours=ours,
            stock=_named(pairs, STOCK_BROKER, STOCK_RESULTS),
            crossings=tuple(self._crossings(workload, ours, known)),
            free_tier=self._free_tier,
        )

    def pairs(self, workload: Workload) -> Iterator[Pair]:
        """Yield each broker with each store of results that goes with it."""
        for broker in brokers(workload, self._rates):
            for store in stores(workload) if workload.results else (None,):
                if store is None or store.shares_node in ("", broker.name):
                    items = (*broker.items, *(() if store is None else store.items))
                    yield Pair(broker=broker, store=store, bill=self.bill(workload, items))

    def dollars_by(self, workload: Workload, pair: Pair, field: str) -> Callable[[float], float]:
        """Return what a pair costs by one of the workload's amounts.

        Args:
            workload: everything else.
            pair: by its name.
            field: such as ``tasks`` or ``workers``.
        """

        def dollars(amount: float) -> float:
            there = replace(workload, **{field: amount})  # type: ignore[arg-type]
            return self.bill(there, self._items(there, pair)).dollars

        return dollars

    def crossing(
        self, workload: Workload, one: Pair, other: Pair, field: str = "tasks"
    ) -> BreakEven:
        """Return where one pair becomes dearer than another, by an amount of the workload."""
        return break_even(
            self.dollars_by(workload, one, field), self.dollars_by(workload, other, field)
        )

    def _crossings(self, workload: Workload, ours: Pair, known: list[Pair]) -> Iterator[Crossing]:
        if not ours.bill.complete or not workload.tasks:
            return
        for other in sorted(_alternatives(known), key=_order):
            yield Crossing(other=other, point=self.crossing(workload, ours, other))

    def _items(self, workload: Workload, pair: Pair) -> tuple[Item, ...]:
        found = [_offer(brokers(workload, self._rates), pair.broker)]
        if pair.store is not None:
            found.append(_offer(stores(workload), pair.store))
        return tuple(item for offer in found for item in offer.items)

    def _offered(self, workload: Workload, offers: tuple[Offer, ...]) -> Iterator[Offered]:
        for offer in offers:
            yield Offered(offer=offer, bill=self.bill(workload, offer.items))

    def bill(self, workload: Workload, items: tuple[Item, ...]) -> Bill:
        """Return the bill of some items, in a workload's region."""
        return bill_of(items, self._book, workload.region, free=self._free_tier)


def _alternatives(known: list[Pair]) -> Iterator[Pair]:
    """Yield each other broker with its own nodes for results, or else the cheapest store.

    Not with one whose price depends on how far the busiest second is from the average one.
    """
    seen: set[str] = set()
    # Nodes that are there anyway first: at other numbers of tasks they stay as cheap.
    for pair in sorted(known, key=lambda pair: pair.store is not None and not pair.shared):
        fits = pair.store is None or (pair.store.sensible and not pair.store.throttles)
        if fits and not pair.broker.is_queue and pair.broker.name not in seen:
            seen.add(pair.broker.name)
            yield pair


def _named(pairs: list[Pair], broker: str, store: str) -> Pair:
    return next(
        pair
        for pair in pairs
        if pair.broker.name == broker and (pair.store is None or pair.store.name == store)
    )


def _offer(offers: tuple[Offer, ...], wanted: Offer) -> Offer:
    return next(offer for offer in offers if offer.name == wanted.name)


def _order(pair: Pair) -> tuple[float, bool]:
    # Of two that cost the same, the one that needs nothing else.
    return round(pair.bill.dollars, 2), not pair.shared
