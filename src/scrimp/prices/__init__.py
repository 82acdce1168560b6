"""Dated prices of models, and what usage costs at them. Pure; the book is read on first use."""

from scrimp.prices.book import PriceBook, load_book
from scrimp.prices.pricing import bounds, explain, price, price_with, resolve
from scrimp.prices.rates import BUCKETS, ModelPrice, PriceRow, Rates

__all__ = [
    "BUCKETS",
    "ModelPrice",
    "PriceBook",
    "PriceRow",
    "Rates",
    "bounds",
    "explain",
    "load_book",
    "price",
    "price_with",
    "resolve",
]
