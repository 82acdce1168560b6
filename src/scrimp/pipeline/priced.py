"""The price of a reply: by the model that was asked, or by the one that answered.

A deployment may have any name (Azure); its replies name the model behind it.
"""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from scrimp.calls import Cost, ReplyFacts, Target, Usage
from scrimp.errors import PriceUnknown
from scrimp.ports import Pricer


def priced(pricer: Pricer, usage: Usage, facts: ReplyFacts, target: Target, at: datetime) -> Cost:
    """The exact cost. Raises PriceUnknown about the model that was asked."""
    try:
        return pricer(usage, target, at, facts.service_tier)
    except PriceUnknown:
        if not facts.model or facts.model == target.model:
            raise
        try:
            return pricer(usage, replace(target, model=facts.model), at, facts.service_tier)
        except PriceUnknown:
            pass
        raise
