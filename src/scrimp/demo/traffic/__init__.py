"""A day of made-up traffic for the demo: what people ask, in which order, and by which model."""

from __future__ import annotations

from scrimp.demo.traffic.corpus import (
    Coding,
    Conversation,
    Labels,
    Say,
    Step,
    Subject,
    Support,
    Ticket,
    Tool,
    ToolResult,
    Wording,
    load_coding,
    load_labels,
    load_support,
)
from scrimp.demo.traffic.facts import DayFacts, facts
from scrimp.demo.traffic.plan import Actor, PlannedCall, Sdk, day
from scrimp.demo.traffic.render import Turn, request_fields, scrimp_headers

__all__ = [
    "Actor",
    "Coding",
    "Conversation",
    "DayFacts",
    "Labels",
    "PlannedCall",
    "Say",
    "Sdk",
    "Step",
    "Subject",
    "Support",
    "Ticket",
    "Tool",
    "ToolResult",
    "Turn",
    "Wording",
    "day",
    "facts",
    "load_coding",
    "load_labels",
    "load_support",
    "request_fields",
    "scrimp_headers",
]
