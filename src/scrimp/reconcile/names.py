"""Which rows are of one model: aliases, snapshots and display names, by the price book."""

from __future__ import annotations

from scrimp.prices.book import PriceBook
from scrimp.reconcile.words import ALL_MODELS, FEES, Vendor


class Names:
    """Remembers what it has looked up."""

    def __init__(self, book: PriceBook) -> None:
        self._book = book
        self._known: dict[tuple[Vendor, str], str] = {}

    def key(self, vendor: Vendor, model: str) -> str:
        """The book's id of the model; the name itself, in lower case, where the book has none."""
        if model in (ALL_MODELS, FEES):
            return model
        asked = (vendor, model)
        if asked not in self._known:
            self._known[asked] = self._found(vendor, model)
        return self._known[asked]

    def answered(self, vendor: Vendor, asked: str, answered: str) -> str:
        """The key of what the provider says that answered, if the book knows it."""
        if answered and self._book.find(answered, vendor) is not None:
            return self.key(vendor, answered)
        return self.key(vendor, asked)

    def _found(self, vendor: Vendor, model: str) -> str:
        plain = model.lower()
        for name in (plain, plain.replace(" ", "-"), plain.replace(" ", "-").replace(".", "-")):
            if (found := self._book.find(name, vendor)) is not None:
                return found.id
        return plain
