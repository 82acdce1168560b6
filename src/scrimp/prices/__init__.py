"""Dated prices of models, and what usage costs at them. Pure; the book is read on first use."""

from scrimp.prices.book import Own, PriceBook, load_book
from scrimp.prices.bound import Ask, Bound, ask_of, upper_bound
from scrimp.prices.pricing import bounds, explain, price, price_with, resolve
from scrimp.prices.quote import Bill, Estimate, Seller, estimate
from scrimp.prices.rates import BUCKETS, ModelPrice, PriceRow, Rates

__all__ = [
    "BUCKETS",
    "Ask",
    "Bill",
    "Bound",
    "Estimate",
    "ModelPrice",
    "Own",
    "PriceBook",
    "PriceRow",
    "Rates",
    "Seller",
    "ask_of",
    "bounds",
    "estimate",
    "explain",
    "load_book",
    "price",
    "price_with",
    "resolve",
    "upper_bound",
]
