"""Prices anew from the AWS Price List: those that are told without doubt; the others are kept."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from celery_aws.aws.price_list import PriceListService, Product
from celery_aws.core.prices import Price, PriceBook
from celery_aws.cost.price_list_answers import Refusal, price_of, regions_of
from celery_aws.cost.price_list_questions import Question, questions
from celery_aws.errors import InvalidRequestError, TemporaryError


@dataclass(frozen=True, kw_only=True)
class Refreshed:
    """What became of one price in one region.

    Attributes:
        key: of the price.
        region: AWS's name of it.
        price: the new one; None if the old one is kept, or if there is none.
        old: the one that was known before.
        reason: why there is no new one.
    """

    key: str
    region: str
    price: Price | None
    old: Price | None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Refresher:
    """Asks for every price.

    Attributes:
        service: the Price List.
        book: what is known before.
        regions: which are wanted; empty is every one that AWS tells of.
        asked: what is asked for.
    """

    service: PriceListService
    book: PriceBook
    regions: tuple[str, ...]
    asked: Sequence[Question] = ()

    def refreshed(self) -> Iterator[Sequence[Refreshed]]:
        """Ask, and yield what came of each question, in all regions.

        Raises:
            AwsError: AWS refuses, and would refuse every other question too.

        Costs one GetProducts for each question, of which there are some fifty; two where more than
        a hundred products match, which happens with every region at once. They are free of charge.
        """
        for question in self.asked or questions():
            try:
                products = self._products(question)
            except (InvalidRequestError, TemporaryError) as error:
                yield [self._kept(question, region, str(error)) for region in self._known()]
                continue
            yield self._answered(question, products)

    def _products(self, question: Question) -> list[Product]:
        # One region's are few; of all regions AWS has to be asked once, and not thirty times.
        here = {"regionCode": self.regions[0]} if len(self.regions) == 1 else {}
        return self.service.products(question.service_code, {**question.attributes, **here})

    def _answered(self, question: Question, products: list[Product]) -> list[Refreshed]:
        try:
            regions = self.regions or tuple(sorted({*self._known(), *regions_of(products)}))
        except (AttributeError, KeyError, TypeError) as error:
            reason = f"AWS's answer has another form: {type(error).__name__}: {error}"
            return [self._kept(question, region, reason) for region in self._known()]
        return [self._one(question, products, region) for region in regions]

    def _one(self, question: Question, products: list[Product], region: str) -> Refreshed:
        found = price_of(
            question, products, region=region, skip_free_tier=self._has_allowance(question.key)
        )
        if isinstance(found, Refusal):
            return self._kept(question, region, found.reason)
        old = self.book.find(question.key, region)
        return Refreshed(key=question.key, region=region, price=found, old=old)

    def _kept(self, question: Question, region: str, reason: str) -> Refreshed:
        old = self.book.find(question.key, region)
        return Refreshed(key=question.key, region=region, price=None, old=old, reason=reason)

    def _known(self) -> tuple[str, ...]:
        return self.regions or self.book.regions

    def _has_allowance(self, key: str) -> bool:
        return any(key in each.covers for each in self.book.allowances)
