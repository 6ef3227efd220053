"""The AWS Price List: what AWS says its services cost, product by product, as it says it.

Facts: GetProducts in the Price List API reference (filters, pages of up to 100, products as texts
of JSON), its endpoints (three regions, of which one is asked for all). The requests are free. What
the answers mean is told in :mod:`celery_aws.cost.price_list_answers`.
"""

import json
from collections.abc import Mapping
from typing import Any, Final, Protocol

from celery_aws.aws.access import Access
from celery_aws.aws.clients import client_for
from celery_aws.aws.errors import translated
from celery_aws.errors import InvalidRequestError

#: The region whose endpoint is asked, whatever region is asked about.
PRICING_REGION: Final = "us-east-1"

#: Products on a page (MaxResults), and pages after which a question was not narrow enough.
_PAGE: Final = 100
_MOST_PAGES: Final = 20

#: One product: ``product``, ``terms``, ``version``, ``publicationDate``.
Product = Mapping[str, Any]


class PriceListService(Protocol):
    """What is asked of the Price List. Raises :class:`AwsError`."""

    def products(self, service_code: str, attributes: Mapping[str, str]) -> list[Product]:
        """Return the products of a service that have all these attributes."""


class AwsPriceList:
    """:class:`PriceListService` on boto3. Needs ``pricing:GetProducts`` on ``*``.

    Args:
        endpoint_url: answers instead of AWS's own endpoint.
    """

    def __init__(self, endpoint_url: str | None = None) -> None:
        self._access = Access(region=PRICING_REGION, endpoint_url=endpoint_url)

    def products(self, service_code: str, attributes: Mapping[str, str]) -> list[Product]:
        """Return the products of a service that have all these attributes.

        Args:
            service_code: such as ``AWSQueueService``.
            attributes: ``productFamily`` and others by AWS's names; values are compared whole.

        Raises:
            InvalidRequestError: there are thousands, or AWS says something that is no JSON.

        Costs one GetProducts (free of charge) for each 100 products.
        """
        filters = [
            {"Type": "TERM_MATCH", "Field": name, "Value": value}
            for name, value in attributes.items()
        ]
        found: list[Product] = []
        token: dict[str, str] = {}
        for _ in range(_MOST_PAGES):
            with translated("pricing", "GetProducts", service_code):
                answer = client_for("pricing", self._access).get_products(
                    ServiceCode=service_code,
                    Filters=filters,
                    FormatVersion="aws_v1",
                    MaxResults=_PAGE,
                    **token,
                )
            found += [_parsed(text, service_code) for text in answer.get("PriceList", [])]
            if not answer.get("NextToken"):
                return found
            token = {"NextToken": answer["NextToken"]}
        raise _refusal(service_code, f"more than {_MOST_PAGES * _PAGE} products match")


def _parsed(text: str, service_code: str) -> Product:
    try:
        product = json.loads(text)
    except ValueError as error:
        raise _refusal(service_code, "a product is no JSON") from error
    if not isinstance(product, dict):
        raise _refusal(service_code, "a product is no object")
    return product


def _refusal(service_code: str, problem: str) -> InvalidRequestError:
    return InvalidRequestError(
        problem,
        service="pricing",
        operation="GetProducts",
        code="UnusableAnswer",
        resource=service_code,
    )
