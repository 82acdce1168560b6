"""What each finding rests on, what it is worth, and when there is none."""

from __future__ import annotations

import tomllib
from typing import Any

from msgspec.structs import replace

from scrimp.advice.advising import Advice, advise
from scrimp.advice.words import DAY_US, Cell, Facts, Hours, Outputs, Rates, Setup, System
from scrimp.settings import read
from scrimp.tasks import TTL_S

DEAR = Rates(
    input=2_500_000,
    output=10_000_000,
    read=250_000,
    write=3_125_000,
    batch_input=1_250_000,
    batch_output=5_000_000,
)
CHEAP = Rates(input=150_000, output=600_000)
CELL = Cell(
    provider="anthropic",
    model="dear",
    task="analysis",
    key="k",
    stream=True,
    capped=True,
    own_marks=False,
    repeat="",
    system=0,
    calls=100,
    cost=1_000_000_000,
    fresh=200_000,
    read=0,
    write=0,
    output=50_000,
    body_bytes=1_000_000,
    result_bytes=0,
)
SYSTEM = System(
    number=1,
    provider="anthropic",
    model="dear",
    forms=1,
    calls=100,
    cost=1_000_000_000,
    tokens=200_000,
    was_read=0,
    same=190_000,
    alike=190_000,
    own_marks=False,
    example="00000000-0000-0000-0000-000000000001",
    digest=7,
)
SETUP = Setup(
    ttl_s=TTL_S,
    prefix_providers=("anthropic",),
    clamp=False,
    cheaper={"anthropic/dear": "cheap"},
)


def rates_of(_: str, model: str) -> Rates | None:
    """Of the two models that there are."""
    return {"dear": DEAR, "cheap": CHEAP}.get(model)


def told(*cells: Cell, setup: Setup = SETUP, least: int = 30, **facts: Any) -> Advice:
    """Advice over these cells, in ten days."""
    cost, calls = sum(one.cost for one in cells), sum(one.calls for one in cells)
    whole = Facts(0, 10 * DAY_US, calls, cost, calls, cells=cells, **facts)
    return advise(whole, rates_of, setup, least=least)


def test_ordinary_calls_give_no_finding() -> None:
    """Capped, streamed, hard, never repeated."""
    assert told(CELL).findings == ()
    assert told().findings == ()


def test_a_prefix_cache_that_is_off_is_worth_its_reads_less_its_writes() -> None:
    """190,000 tokens read at a tenth, 10,000 written at a quarter more."""
    (one,) = told(replace(CELL, system=1), systems=(SYSTEM,)).findings
    assert one.kind == "prefix_cache_off"
    assert one.nanousd == (190_000 * 2_250_000 - 10_000 * 625_000) // 1000
    assert (one.low, one.high) == (one.nanousd // 2, one.nanousd)


def test_no_prefix_is_advised_where_writes_cost_more_or_somebody_marks() -> None:
    """Too seldom, marked already, too short, on already, another provider."""
    cell = replace(CELL, system=1)
    for system in (
        replace(SYSTEM, same=30_000, alike=30_000),
        replace(SYSTEM, own_marks=True),
        replace(SYSTEM, tokens=50_000, same=45_000, alike=45_000),
        replace(SYSTEM, was_read=190_000),
    ):
        assert told(cell, systems=(system,)).findings == (), system
    assert told(cell, systems=(SYSTEM,), setup=replace(SETUP, prefix=True)).findings == ()
    other = replace(SETUP, prefix_providers=("openai",))
    assert told(cell, systems=(SYSTEM,), setup=other).findings == ()


def test_stamps_in_instructions_are_worth_what_they_break() -> None:
    """No setting mends it: the client is told what to do."""
    broken = replace(SYSTEM, forms=100, same=0)
    (one,) = told(replace(CELL, system=1), systems=(broken,)).findings
    assert (one.kind, one.toml) == ("broken_prefixes", "")
    assert one.nanousd == 190_000 * 2_250_000 // 1000
    assert "last message" in one.todo


def test_what_the_lever_saw_break_is_told_instead() -> None:
    """No estimate beside what is known."""
    broken = replace(SYSTEM, forms=100, same=0)
    seen = (("system, line 1: a time", 90, 500), ("tools: another order", 20, 700))
    found = told(replace(CELL, system=1), systems=(broken,), breakers=seen).findings
    (one,) = [one for one in found if one.kind == "broken_prefixes"]
    assert (one.nanousd, one.low, one.high, one.calls) == (1_200, 1_200, 1_200, 110)
    assert one.why.endswith("tools: another order; system, line 1: a time")


def test_easy_tasks_are_priced_at_the_cheaper_model() -> None:
    """Least: only short answers. Most: the next rung, too."""
    easy = replace(CELL, task="classification", output=1_000)
    longer = replace(easy, output=50_000, task="factual_qa")
    medium = replace(CELL, task="summarization")
    (one,) = told(easy, longer, medium, CELL).findings
    each = [
        (200_000 * (2_500_000 - 150_000) + output * (10_000_000 - 600_000)) // 1000
        for output in (1_000, 50_000, 50_000)
    ]
    assert (one.low, one.nanousd, one.high) == (each[0], each[0] + each[1], sum(each))
    assert tomllib.loads(one.toml)["route"]["models"] == ["cheap", "dear"]
    assert told(easy, setup=replace(SETUP, route=True)).findings == ()
    assert told(easy, setup=replace(SETUP, cheaper={})).findings == ()


def test_outputs_without_a_limit_are_worth_what_runs_over() -> None:
    """The limit is the 99th percentile, rounded up."""
    cell = replace(CELL, capped=False)
    long = Outputs("anthropic", "dear", "analysis", 1_000, 410, 4_000, 30_000)
    (one,) = told(cell, outputs=(long,)).findings
    assert one.nanousd == 30_000 * 10_000
    assert tomllib.loads(one.toml)["clamp_output"]["tasks"] == {"analysis": {"max_tokens": 450}}
    even = replace(long, beyond=10)
    assert told(cell, outputs=(even,)).findings == ()
    assert told(cell, outputs=(replace(long, calls=29),)).findings == ()
    assert told(cell, outputs=(long,), setup=replace(SETUP, clamp=True)).findings == ()


def test_results_of_tools_are_worth_a_share_of_their_part() -> None:
    """Half of the body: half of the input that was paid for."""
    cell = replace(CELL, result_bytes=500_000)
    (one,) = told(cell).findings
    part = 200_000 * 2_500_000 // 1000 // 2
    assert (one.low, one.nanousd, one.high) == (part // 20, part // 5, part * 2 // 5)
    assert told(cell, setup=replace(SETUP, compact=True)).findings == ()


def test_a_night_job_is_worth_half_of_its_price() -> None:
    """Four fifths within four hours, on three days; a job all day long is none."""
    night = [0] * 24
    night[2], night[12] = 90, 10
    cost = tuple(10 * calls for calls in night)
    job = Hours("etl", "anthropic", "dear", tuple(night), cost, 3)
    cell = replace(CELL, stream=False, key="etl")
    (one,) = told(cell, hours=(job,)).findings
    assert (one.low, one.nanousd, one.high, one.calls) == (0, 450, 450, 90)
    assert "etl, 02:00" in one.why
    assert tomllib.loads(one.toml)["defer"] == {"enabled": True, "keys": {"etl": "24h"}}
    waiting = replace(SETUP, defer=True, deferred=("etl",))
    assert told(cell, hours=(job,), setup=waiting).findings == ()
    assert told(cell, hours=(replace(job, days=2),)).findings == ()
    even = replace(job, calls=(10,) * 24, cost=(100,) * 24)
    assert told(cell, hours=(even,)).findings == ()


def test_nothing_is_told_that_rests_on_few_calls() -> None:
    """The least is stated, and said where there are fewer calls at all."""
    again = replace(CELL, repeat="exact", calls=29)
    assert told(again).findings == ()
    assert told(replace(again, calls=30)).findings != ()
    assert "less than 30 paid calls; there are 29" in told(again).unseen[0]


def test_what_overlaps_is_said_and_counted_once() -> None:
    """A repeat with a dear model: the whole call, and not the cheaper one on top."""
    both = replace(CELL, repeat="exact", task="classification")
    found = told(both)
    assert {one.kind for one in found.findings} == {"duplicates", "easy_tasks"}
    assert found.overlaps == {"duplicates": ("easy_tasks",), "easy_tasks": ("duplicates",)}
    assert found.nanousd == CELL.cost


def test_a_setting_that_is_on_is_not_advised_again() -> None:
    """Repeats in spite of a cache get another answer: where it forgets."""
    again = replace(CELL, repeat="exact")
    for setup, key in (
        (replace(SETUP, exact=False), "enabled"),
        (SETUP, "engine"),
        (replace(SETUP, engine="sqlite"), "max_bytes"),
    ):
        (one,) = told(again, setup=setup).findings
        assert list(tomllib.loads(one.toml)["exact_cache"]) == [key]
    stamped = replace(CELL, repeat="stamped")
    ignoring = replace(SETUP, ignored=("timestamps", "uuids", "nonces"))
    assert told(stamped, setup=ignoring).findings == ()


def test_what_could_not_be_seen_is_said() -> None:
    """Calls without traits, and models without a price."""
    facts = Facts(0, DAY_US, 100, 5, 40, cells=(replace(CELL, model="house"),))
    said = advise(facts, rates_of, SETUP).unseen
    assert "60 of 100 calls have no traits" in said[0]
    assert "anthropic/house" in said[1]


def test_every_advised_line_is_one_that_scrimp_takes() -> None:
    """Pasted into scrimp.toml as it stands."""
    cells = [
        replace(CELL, repeat=how, task="classification", result_bytes=10**6, system=1)
        for how in ("exact", "stamped", "loose", "later", "in_air")
    ]
    longer = {("classification", 86_400): (50, 10**9)}
    setup = replace(SETUP, exact=False)
    job = Hours("etl", "anthropic", "dear", (90, *[0] * 23), (900, *[0] * 23), 3)
    long = Outputs("anthropic", "dear", "classification", 1_000, 410, 4_000, 30_000)
    cells += [replace(CELL, capped=False, stream=False, key="etl")]
    more: Any = {"hours": (job,), "outputs": (long,), "systems": (SYSTEM,), "longer": longer}
    found = told(*cells, setup=setup, **more)
    assert len(found.findings) >= 8
    for one in found.findings:
        read(tomllib.loads(one.toml), source="advice")


def test_prompts_are_ranked_by_what_they_cost() -> None:
    """Their share of the input of their calls, at the prices of that input."""
    cells = (replace(CELL, system=1), replace(CELL, system=2, fresh=400_000))
    other = replace(SYSTEM, number=2, tokens=300_000)
    prompts = told(*cells, systems=(replace(SYSTEM, tokens=100_000), other)).prompts
    assert [(one.number, cost) for one, cost in prompts] == [
        (2, 300_000 * 2_500),
        (1, 100_000 * 2_500),
    ]
