"""A Price List that answers from files, as AWS does."""

import copy
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).parents[2] / "golden" / "price_list"


class RecordedPriceList:
    """Answers from the golden files, and counts what it was asked.

    Args:
        change: what to make of all products of a service before they are compared.
    """

    def __init__(self, change: Callable[[list[Any]], list[Any]] | None = None) -> None:
        self._change = change or (lambda products: products)
        self.asked: list[tuple[str, Mapping[str, str]]] = []

    def products(self, service_code: str, attributes: Mapping[str, str]) -> list[Any]:
        self.asked.append((service_code, attributes))
        stored = json.loads((GOLDEN / f"{service_code}.json").read_text())
        products = self._change(copy.deepcopy(stored))
        return [each for each in products if _has(each, attributes)]


def _has(product: Any, attributes: Mapping[str, str]) -> bool:
    try:
        found = {
            **product["product"]["attributes"],
            "productFamily": product["product"]["productFamily"],
        }
    except (KeyError, TypeError):
        return True  # whatever AWS may send, it is handed on
    return all(found.get(name) == value for name, value in attributes.items())
