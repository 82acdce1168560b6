"""Every cause is found where it is the reason, and only the verdict decides what is reconciled."""

from __future__ import annotations

import json
from dataclasses import replace as changed
from datetime import timedelta
from fractions import Fraction

import pytest
from msgspec.structs import replace

from scrimp.calls import Attempt, Cost, Line
from scrimp.reconcile.compare import Tolerance
from scrimp.reconcile.words import FEES
from scrimp.simulator.bill import Usage
from tests.support.exports import (
    NANO,
    Used,
    anthropic_costs,
    anthropic_usage,
    claude_cost_csv,
    claude_usage_csv,
    noon,
    openai_activity_csv,
    openai_costs,
    openai_usage,
    usd,
)
from tests.support.reconciling import (
    attempt,
    booked,
    claude,
    cost_of,
    first_cause,
    gpt,
    laid,
    only,
    usage_of,
)


def both(*calls: Used) -> dict[str, str]:
    """OpenAI's usage and costs of the same calls."""
    return {"u": openai_usage(calls), "c": openai_costs(calls)}


def costing(amount: int, calls: list[Used]) -> dict[str, str]:
    """The usage of these calls, and another amount for all of it."""
    page = json.loads(openai_costs(calls))
    first = page["data"][0]["results"][0]
    first["amount"]["value"] = usd(amount)
    page["data"][0]["results"] = [first]
    return {"u": openai_usage(calls), "c": json.dumps(page)}


def estimated(low: int, high: int) -> Attempt:
    """A stream that broke off."""
    cost = Cost((low + high) // 2, low, high, "estimate")
    return replace(attempt(gpt()), outcome="cut", usage=None, cost=cost)


def test_roundings_of_our_line_items_agree() -> None:
    """A bill of exact fractions is lower by less than a nano-dollar for each line item."""
    calls = [gpt()]
    found = only(laid(costing(5_300_000 - 3, calls), booked(*calls)))
    assert (found.verdict, first_cause(found)) == ("within", "rounding")
    assert only(laid(costing(5_300_000 - 4, calls), booked(*calls))).verdict == "differs"
    assert only(laid(costing(5_300_000 + 1, calls), booked(*calls))).verdict == "differs"


def test_cents_of_the_console_agree_within_half_a_cent_each() -> None:
    """Four amounts of a model may be two cents off together, and no more."""
    call = Used(noon(4), "claude-sonnet-4-5-20250929", Usage(10_700, 90_000, 3100, 0, 5500))
    found = only(laid({"c": claude_cost_csv([call])}, booked(call)))
    assert (found.verdict, first_cause(found)) == ("within", "rounding")
    assert found.row.gap_nanousd
    more = changed(call, usage=changed(call.usage, output_tokens=9500))
    assert only(laid({"c": claude_cost_csv([more])}, booked(call))).verdict == "differs"


@pytest.mark.parametrize(("amount", "verdict"), [(5_300_000, "within"), (9_000_001, "differs")])
def test_bounds_of_broken_calls_hold_the_bill(amount: int, verdict: str) -> None:
    """A bill inside [low, high] is what the ledger said; outside it is not."""
    found = only(laid({"c": costing(amount, [gpt()])["c"]}, [(estimated(1_000_000, 9_000_000),)]))
    assert found.verdict == verdict
    assert (first_cause(found) == "estimate") == (verdict == "within")


def test_bounds_hold_tokens_that_cost_as_much() -> None:
    """Without dollars, the price of the further tokens is what must lie inside."""
    usage = {"u": openai_usage([gpt(), gpt()])}
    known = (attempt(gpt()),)
    assert only(laid(usage, [known, (estimated(5_000_000, 6_000_000),)])).verdict == "within"
    assert only(laid(usage, [known, (estimated(6_000_000, 7_000_000),)])).verdict == "differs"


def test_rows_that_stand_twice_are_found() -> None:
    """The same page read twice is counted twice, and named."""
    text = openai_usage([gpt()])
    found = laid({"a": text, "b": text}, booked(gpt()))
    assert (only(found).verdict, first_cause(only(found))) == ("differs", "duplicates")
    assert found.bill.twice == 1
    with_costs = {"a": text, "b": text, "c": openai_costs([gpt()])}
    assert first_cause(only(laid(with_costs, booked(gpt())))) == "duplicates"


@pytest.mark.parametrize("shift_h", [-8, 7, 9])
def test_days_of_another_zone_are_found_by_trying(shift_h: int) -> None:
    """Calls around midnight, counted by days that begin some hours off, agree when shifted."""
    calls = [gpt(100 + hour, at=noon(2) + timedelta(hours=hour)) for hour in range(60)]
    local = [changed(call, at=call.at - timedelta(hours=shift_h)) for call in calls]
    found = laid({"u": openai_activity_csv(local)}, booked(*calls))
    differing = [row for row in found.rows if row.verdict == "differs"]
    assert differing
    assert {first_cause(row) for row in differing} == {"time_zone"}
    assert {f"{abs(shift_h)} h" in row.causes[0].text for row in differing} == {True}


def test_buckets_that_begin_at_another_hour_are_days_of_another_zone() -> None:
    """The export itself says so; calls after its end do not disturb."""
    calls = [gpt(100 + hour, at=noon(2) + timedelta(hours=hour)) for hour in range(80)]
    local = [changed(call, at=call.at - timedelta(hours=7)) for call in calls]
    inside = [call for call in local if call.at.day in (3, 4)]
    page = json.loads(openai_usage(inside))
    for bucket in page["data"]:
        bucket["start_time"] += 7 * 3600
        bucket["end_time"] += 7 * 3600
    found = laid({"u": json.dumps(page)}, booked(*calls))
    differing = [row for row in found.rows if row.verdict == "differs"]
    assert differing
    assert {first_cause(row) for row in differing} == {"time_zone"}
    assert "begin 7 h after midnight UTC" in differing[0].causes[0].text


def test_a_call_that_passed_midnight_stands_on_both_days() -> None:
    """What one day lacks the next one has."""
    late = gpt(50, at=noon(4) + timedelta(hours=11, minutes=59))
    after = changed(late, at=late.at + timedelta(minutes=2))
    steady = [
        gpt(20 + hour, at=noon(4) + timedelta(hours=hour)) for hour in (-11, -5, 1, 12, 18, 35)
    ]
    found = laid({"u": openai_usage([*steady, after])}, booked(*steady, late))
    causes = {row.row.day.day: first_cause(row) for row in found.rows}
    assert causes == {4: "midnight", 5: "midnight"}


def test_a_name_that_nobody_knows_is_found_by_its_numbers() -> None:
    """The same tokens under two names on one day."""
    text = openai_usage([gpt()]).replace("gpt-4o-2024-08-06", "ft:house:1")
    found = laid({"u": text}, booked(gpt()))
    assert {first_cause(row) for row in found.rows} == {"model_name"}


def test_aliases_and_snapshots_are_one_row() -> None:
    """By the price book, whatever the client asked for."""
    found = laid({"u": openai_usage([gpt()])}, [(attempt(gpt(), name="gpt-4o"),)])
    assert (only(found).row.model, only(found).verdict) == ("gpt-4o", "equal")
    strange = replace(attempt(gpt(), name="my-bot"), reported_model="gpt-4o-2024-08-06")
    assert only(laid({"u": openai_usage([gpt()])}, [(strange,)])).verdict == "equal"


def test_credits_are_found() -> None:
    """A negative amount that is the whole difference."""
    page = json.loads(openai_costs([gpt()]))
    results = page["data"][0]["results"]
    amount = {"value": "-1.25", "currency": "usd"}
    results.append(results[0] | {"amount": amount, "project_id": "credit"})
    found = only(laid({"c": json.dumps(page)}, booked(gpt())))
    assert (found.row.gap_nanousd, first_cause(found)) == (-1_250_000_000, "credits")


def test_work_of_the_batch_api_is_found() -> None:
    """Rows that are marked as batch are the difference."""
    page = json.loads(openai_usage([gpt(), gpt(31)]))
    results = page["data"][0]["results"]
    one, other = (
        json.loads(openai_usage([call]))["data"][0]["results"][0] for call in (gpt(), gpt(31))
    )
    results[:] = [one, other | {"batch": True}]
    found = only(laid({"u": json.dumps(page)}, booked(gpt())))
    assert (found.verdict, first_cause(found)) == ("differs", "batch")


@pytest.mark.parametrize("tier", ["batch", "priority"])
def test_a_service_tier_is_found_by_its_price(tier: str) -> None:
    """The tokens of the ledger at another tier's price give the bill, and the other way round."""
    call = Used(noon(4), "gpt-4o-2024-08-06", Usage(10_000, 0, 0, 0, 500))
    there = cost_of(call, tier).nanousd
    assert there is not None
    found = only(laid(costing(there, [call]), booked(call)))
    assert first_cause(found) == "service_tier"
    assert tier in found.causes[0].text
    back = (replace(attempt(call), cost=cost_of(call, tier)),)
    found = only(laid(costing(call.nanousd, [call]), [back]))
    assert first_cause(found) == "service_tier"


def test_a_cache_that_is_split_otherwise_is_found() -> None:
    """The same input with other parts cached."""
    other = changed(gpt(), usage=Usage(1640, 0, 0, 0, 200))
    assert first_cause(only(laid({"u": openai_usage([other])}, booked(gpt())))) == "cache"


@pytest.mark.parametrize("moved", ["reads", "writes"])
def test_cached_tokens_billed_as_fresh_ones_are_found(moved: str) -> None:
    """By what that would cost."""
    call = claude()
    part = (2000, 0, 0) if moved == "reads" else (0, 300, 70)
    rest = Usage(1000 + sum(part), 2000 - part[0], 300 - part[1], 70 - part[2], 150)
    texts = {"c": anthropic_costs([changed(call, usage=rest)]), "u": anthropic_usage([call])}
    found = only(laid(texts, booked(call)))
    assert first_cause(found) == "cache"
    assert moved in found.causes[0].text


def test_attempts_that_were_tried_again_and_not_billed_are_found() -> None:
    """The ledger has both attempts, the bill the last one."""
    early = attempt(gpt(333))
    found = only(laid({"c": openai_costs([gpt()])}, [(early, attempt(gpt()))]))
    assert (found.verdict, first_cause(found)) == ("differs", "retries")


def test_both_attempts_on_the_bill_are_equal() -> None:
    """A provider bills attempts, not calls."""
    calls = [gpt(333), gpt()]
    assert only(laid(both(*calls), [(attempt(calls[0]), attempt(calls[1]))])).verdict == "equal"


def test_refused_attempts_on_the_bill_are_found() -> None:
    """As many more requests as were refused."""
    refused = attempt(gpt(), outcome="rejected")
    found = only(laid({"u": openai_usage([gpt(), gpt()])}, [(refused, attempt(gpt()))]))
    assert first_cause(found) == "refused"
    found = only(laid({"u": openai_usage([gpt()])}, [(refused, attempt(gpt()))]))
    assert found.verdict == "equal"


def with_search(nanousd: int) -> Attempt:
    """A call that searched the web for a fee."""
    one = attempt(gpt())
    fee = Line("web_search", 1, nanousd * 1000, nanousd)
    total = (one.cost.nanousd or 0) + nanousd
    return replace(one, cost=Cost(total, total, total, "usage", "", (*one.cost.lines, fee)))


def test_fees_of_tools_have_a_row_of_their_own() -> None:
    """As on the bill; when only one side has them, that is said."""
    page = json.loads(openai_costs([gpt()]))
    results = page["data"][0]["results"]
    fee = {"amount": {"value": "0.01", "currency": "usd"}, "line_item": "web search tool calls"}
    results.append(results[0] | fee)
    found = laid({"c": json.dumps(page)}, [(with_search(NANO // 100),)])
    assert {row.row.model: row.verdict for row in found.rows} == {FEES: "equal", "gpt-4o": "equal"}
    found = laid({"c": openai_costs([gpt()])}, [(with_search(NANO // 100),)])
    by_model = {row.row.model: (row.verdict, first_cause(row)) for row in found.rows}
    assert by_model == {FEES: ("differs", "tools"), "gpt-4o": ("equal", "")}


def test_calls_without_a_price_are_named() -> None:
    """Their dollars are unknown, never 0."""
    unknown = replace(attempt(gpt()), cost=Cost(None, None, None, "unknown"))
    found = only(laid(both(gpt()), [(unknown,)]))
    assert (found.verdict, first_cause(found)) == ("differs", "unpriced")


def test_calls_at_an_assumed_price_are_named() -> None:
    """The price of models without one is the user's guess."""
    cost = Cost(7_000_000, 7_000_000, 7_000_000, "assumed")
    found = only(laid(both(gpt()), [(replace(attempt(gpt()), cost=cost),)]))
    assert first_cause(found) == "assumed"


def test_calls_that_were_passed_through_unread_are_named() -> None:
    """They may be what the bill has more."""
    unread = replace(attempt(gpt()), usage=None, cost=Cost(None, None, None, "unknown"))
    found = only(laid(both(gpt()), [(unread,)]))
    assert first_cause(found) == "unread"


def test_usage_that_did_not_add_up_is_named() -> None:
    """Its mark in the ledger is a hint."""
    usage = replace(usage_of(gpt(990)), suspect="1830/1840")
    found = only(laid({"u": openai_usage([gpt()])}, [(replace(attempt(gpt()), usage=usage),)]))
    assert first_cause(found) == "suspect"


def test_as_many_requests_with_other_tokens_are_named() -> None:
    """Then no call is missing, on either side."""
    for tokens in (990, 1010):
        assert first_cause(only(laid({"u": openai_usage([gpt(tokens)])}, booked(gpt())))) == "usage"


def test_another_price_for_the_same_tokens_is_named() -> None:
    """With how many times the ledger the bill is."""
    found = only(laid(costing(5_300_000 * 7 // 8, [gpt()]), booked(gpt())))
    assert first_cause(found) == "price"
    assert "0.875 times" in found.causes[0].text


def test_exports_that_contradict_each_other_are_named() -> None:
    """Dollars of these calls, tokens of others."""
    texts = {"u": openai_usage([gpt(2000)]), "c": openai_costs([gpt()])}
    assert first_cause(only(laid(texts, booked(gpt())))) == "exports"


def test_calls_without_the_gateway_are_named() -> None:
    """More of a model that the ledger has, or a model that it does not have."""
    mini = gpt(model="gpt-4o-mini-2024-07-18")
    found = laid({"u": openai_usage([gpt(), gpt(2000), mini])}, booked(gpt()))
    told = {row.row.model: row.causes[0] for row in found.rows}
    assert {cause.code for cause in told.values()} == {"outside"}
    assert "1 requests" in told["gpt-4o"].text
    assert "no call of this model" in told["gpt-4o-mini"].text


def test_days_before_the_ledger_are_named() -> None:
    """And a ledger without calls."""
    first, then = gpt(at=noon(3)), gpt(at=noon(5))
    found = laid({"u": openai_usage([first, then])}, booked(then))
    assert first_cause(found.rows[0]) == "before_ledger"
    assert first_cause(only(laid({"u": openai_usage([first])}, []))) == "before_ledger"


def test_an_export_that_is_not_whole_is_named() -> None:
    """Further pages, or a last day that was not over."""
    late = gpt(at=noon(5))
    unfinished = json.dumps(json.loads(openai_usage([gpt(), late])) | {"has_more": True})
    found = laid({"u": unfinished}, booked(gpt(), gpt(500), late))
    assert "further pages" in found.rows[0].causes[0].text
    found = laid({"u": openai_usage([gpt(), late])}, booked(gpt(), late, gpt(500, at=noon(5))))
    assert [first_cause(row) for row in found.rows] == ["", "incomplete"]


def test_calls_that_the_export_leaves_out_are_named() -> None:
    """In the middle of a whole export."""
    late = gpt(at=noon(5))
    found = laid({"u": openai_usage([gpt(), late])}, booked(gpt(), gpt(500), late))
    assert [first_cause(row) for row in found.rows] == ["not_billed", ""]


def test_answers_of_a_cache_are_not_on_the_bill() -> None:
    """A call without attempts adds nothing; nor does one that never left."""
    unsent = attempt(gpt(), outcome="unsent")
    assert only(laid(both(gpt()), [(), (attempt(gpt()),), (unsent,)])).verdict == "equal"


def test_a_tolerance_allows_so_much_and_no_more() -> None:
    """In dollars for dollars, as a share for both."""
    texts = costing(5_350_000, [gpt()])
    for tolerance, verdict in (
        (Tolerance(nanousd=50_000), "within"),
        (Tolerance(nanousd=49_999), "differs"),
        (Tolerance(share=Fraction(1, 100)), "within"),
        (Tolerance(share=Fraction(1, 1000)), "differs"),
    ):
        assert only(laid(texts, booked(gpt()), tolerance=tolerance)).verdict == verdict
    tokens = {"u": openai_usage([gpt(1010)])}
    assert only(laid(tokens, booked(gpt()), tolerance=Tolerance(nanousd=NANO))).verdict == "differs"
    whole = Tolerance(share=Fraction(1, 100))
    assert only(laid(tokens, booked(gpt()), tolerance=whole)).verdict == "within"


def test_totals_add_up_the_rows() -> None:
    """Tokens of rows with tokens, dollars of rows with dollars."""
    calls = [gpt(), gpt(5, model="gpt-4o-mini-2024-07-18"), gpt(at=noon(5))]
    found = laid(both(*calls), booked(*calls))
    assert found.total is not None
    assert found.total.dollars is not None
    assert found.total.dollars.nanousd == sum(call.nanousd for call in calls)
    assert found.total.booked.nanousd == found.total.dollars.nanousd
    assert found.total.booked.tokens.input == 2005


def test_other_days_and_vendors_are_left_out() -> None:
    """The ledger's calls outside the export are not its business."""
    calls = booked(gpt(), gpt(at=noon(9)), claude())
    assert only(laid({"u": openai_usage([gpt()])}, calls)).verdict == "equal"
    console = laid({"u": claude_usage_csv([claude()])}, calls)
    assert only(console).row.model == "claude-sonnet-4-5"
