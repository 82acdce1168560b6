"""Wordy phrases, spaces and examples: what may be reworded, and what never is."""

from __future__ import annotations

import pytest

from scrimp.shrinking.compacting import LOSSY, Wording, reworded
from scrimp.shrinking.examples import fewer_examples, fewer_turns, most_diverse
from scrimp.shrinking.phrases import PHRASES, shortened
from scrimp.shrinking.spaces import single_spaced, tidied


@pytest.mark.parametrize("phrase", PHRASES)
def test_every_phrase_gets_shorter_once(phrase: str) -> None:
    """With the case of its first letter, and the short form is not shortened again."""
    short = PHRASES[phrase]
    assert shortened(f"We {phrase} x.") == f"We {short} x."
    assert shortened(phrase.capitalize()) == short[0].upper() + short[1:]
    assert shortened(phrase.upper()) == short.upper()
    assert len(short) < len(phrase)
    assert shortened(short) == short


@pytest.mark.parametrize(
    "text",
    [
        'She wrote "in order to win" there.',
        "She wrote “in order to win” there.",
        "Say 'in order to win' there, it's fine.",
        "Run `in order to` or ``in ` order in order to``.",
        "```\nin order to\n```\n",
        "~~~py\nin order to\n```\nin order to\n~~~\n",
        "```\nin order to (never closed)",
        "    in order to",
        "> in order to",
        "See https://example.test/in order to".replace(" order to", "-order-to"),
        '<tag why="in order to">',
        'A 5" screen, in order to say "in order to win".',
        'He said: "First.\n\nin order to\n\nLast."',
        "join in order together",
        "re-in order to",
    ],
)
def test_quotes_code_tags_and_links_stay(text: str) -> None:
    """Nothing in them is reworded; where marks do not pair, nothing around them is either."""
    assert shortened(text) == text


def test_prose_beside_code_is_reworded() -> None:
    """Before and after a fence, and in a paragraph that quotes nothing."""
    text = "In order to win:\n```\nin order to\n```\nIn order to lose, due to the fact that."
    assert shortened(text) == "To win:\n```\nin order to\n```\nTo lose, because."


def test_spaces_at_ends_of_lines_go() -> None:
    """Indentation stays, and all that stands between fences."""
    text = "a  \r\n\n\n\n  b\t\n```\nc  \n\n\n\n```\nd\n\n"
    assert tidied(text) == "a\n\n  b\n```\nc  \n\n\n\n```\nd"


def test_words_stand_one_space_apart() -> None:
    """Not in tables, indented lines, or lines with code."""
    text = "one   two\n  kept   so\n| a   | b |\n`x   y`   z"
    assert single_spaced(text) == "one two\n  kept   so\n| a   | b |\n`x   y`   z"


def test_titled_examples_are_at_most_so_many() -> None:
    """The last stays with all behind it; of the others those that share the fewest words."""
    lines = [
        "Example 1: a dog",
        "Example 2: a dog too",
        "Example 3: sums of many large numbers",
        "Example 4: x",
    ]
    text = "Classify.\n\n" + "\n".join(lines) + "\n\nNow the text."
    assert fewer_examples(text, 2) == "Classify.\n\n" + "\n".join(lines[2:]) + "\n\nNow the text."
    assert fewer_examples(text, 4) == text
    assert fewer_examples(text, 0) == text


@pytest.mark.parametrize("heading", ["## Examples", "Examples:", "**Examples:**", "Example"])
@pytest.mark.parametrize(
    ("items", "kept"),
    [
        (["- one -> A", "- one two -> A", "- six seven -> B"], [0, 2]),
        (["1. one: A", "2. one two: A", "3. six seven: B"], [0, 2]),
        (["one -> A", "one two -> A", "six seven -> B"], [0, 2]),
        (["* one\n  A", "* one two\n  A", "* six seven\n  B"], [0, 2]),
    ],
)
def test_a_section_of_examples_has_at_most_so_many(
    heading: str, items: list[str], kept: list[int]
) -> None:
    """Items of a list, or lines with an arrow, below a heading; what follows them stays."""
    end = "\nNow sort this text."
    text = "\n".join(["Sort by topic.", "", heading, "", *items, end])
    fewer = "\n".join(["Sort by topic.", "", heading, "", *[items[n] for n in kept], end])
    assert fewer_examples(text, 2) == fewer
    assert fewer_examples(text, 3) == text


@pytest.mark.parametrize(
    "text",
    [
        "Rules:\n- one\n- two\n- three\n- four\n- five\n",
        "See the examples below.\n- one\n- two\n- three\n- four\n",
        "## Examples\nThere are none.\n- one\n- two\n- three\n- four\n",
    ],
)
def test_lists_that_are_no_examples_stay(text: str) -> None:
    """A list of rules, a sentence about examples, a section that says something else first."""
    assert fewer_examples(text, 1) == text


def test_tagged_examples_are_at_most_so_many() -> None:
    """What stands around the tags stays."""
    tags = "".join(f"<example>{word}</example>\n" for word in ("one two", "one", "three", "four"))
    text = f"Do.\n<examples>\n{tags}</examples>\nNow."
    assert fewer_examples(text, 3).count("<example>") == 3
    assert fewer_examples(text, 3).startswith("Do.\n<examples>\n<example>one two</example>\n")
    assert fewer_examples(text, 3).endswith("<example>four</example>\n</examples>\nNow.")


def test_questions_with_answers_are_examples() -> None:
    """The last one, which waits for its answer, is not; and titles in code are none."""
    pairs = "".join(f"Q: {word}\nA: yes\n" for word in ("aa", "bb", "cc", "dd"))
    text = f"Answer.\n{pairs}Q: real one\nA:"
    kept = fewer_examples(text, 2)
    assert kept.count("A: yes") == 2
    assert kept.endswith("Q: dd\nA: yes\nQ: real one\nA:")
    code = "```\nExample 1\nExample 2\nExample 3\n```"
    assert fewer_examples(code, 1) == code
    assert fewer_examples("Q: one\nQ: two\nQ: three", 1) == "Q: one\nQ: two\nQ: three"


def test_examples_that_differ_most_are_kept() -> None:
    """The last, the one farthest from it, and the farthest from both; in their order."""
    assert most_diverse(["a b", "a b c", "x y", "p q", "a b"], 3) == [2, 3, 4]
    assert most_diverse(["same", "same", "same"], 2) == [0, 2]
    assert most_diverse([], 3) == []


def test_exemplary_turns_are_at_most_so_many() -> None:
    """Alternating turns of text before the last question; with a tool among them all stay."""
    turns = [
        {"role": role, "content": word}
        for word in ("aa", "bb", "cc", "dd")
        for role in ("user", "assistant")
    ]
    system, last = {"role": "system", "content": "s"}, {"role": "user", "content": "now"}
    kept = fewer_turns([system, *turns, last], 2)
    assert [one["content"] for one in kept] == ["s", "aa", "aa", "dd", "dd", "now"]
    tool = {"role": "tool", "content": "r", "tool_call_id": "t"}
    mixed = [system, *turns, tool, last]
    assert fewer_turns(mixed, 2) == mixed


def test_all_steps_together_change_nothing_twice() -> None:
    """And without loss only white space goes."""
    text = "In order   to win.  \n\n\nExample 1: a\nExample 2: b\nExample 3: c\nExample 4: d"
    once = reworded(text, LOSSY)
    assert reworded(once, LOSSY) == once
    assert "Example 2" not in once or "Example 3" not in once
    assert reworded(text, Wording()).split() == text.split()


def test_signed_texts_stay() -> None:
    """A signature may be over these very characters."""
    text = "In order to verify:  \n-----BEGIN PGP SIGNED MESSAGE-----  \n"
    assert reworded(text, LOSSY) == text


def test_a_lone_return_is_no_end_of_a_line() -> None:
    """Nothing is joined to what a carriage return stood before, and twice is once."""
    text = "in order to\r``` \nin order to"
    for wording in (Wording(), LOSSY):
        once = reworded(text, wording)
        assert once.startswith(("in order to\r```", "to\r```"))
        assert reworded(once, wording) == once


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ('Put  "a  b" there.', 'Put "a  b" there.'),
        ('{"name": "a  b",  "n": 1}', '{"name": "a  b", "n": 1}'),
        ("“one\ntwo  three\nfour” and  five", "“one\ntwo  three\nfour” and five"),
        ('  key: "v",  other:  5', '  key: "v",  other:  5'),
        ('a | "q" b  c', 'a | "q" b  c'),
        ("a\x00  b", "a\x00  b"),
    ],
)
def test_spaces_in_quotations_stay(text: str, short: str) -> None:
    """What stands there may be meant to the letter; a line is a table or indented as a whole."""
    assert single_spaced(text) == short
    assert single_spaced(short) == short


QUOTED = [
    "He said \u2018in order to win\u2019.",
    "It\u2019s late, isn\u2019t it? \u2018it\u2019s in order to win\u2019",
    "\u201ain order to\u2018 und \u2039in order to\u203a und „in order to“",
    "「in order to」 『in order to』",
    "<code>in order to</code> <PRE class='x'>in order to</PRE>",
    "“in order to\n\n“in order to\n\nin order to”",
    "«in order to\n\nin order to»",
    "<pre>\nin order to\n\nin order to\n</pre>",
    "\u2018in order to\n\nin order to\u2019",
    "»in order to« \u203ain order to\u2039 »in order to\n\nin order to«",
    "《in order to》 〈in order to〉 ｢in order to｣",
    "〝in order to〞 〝in order to〟 ❝in order to❞ ❛in order to❜",
    "״in order to״ \uff02in order to\uff02 \u2033in order to\u2033 \uff07in order to\uff07",
    "\u2019in order to\u2019 \u201bin order to\u2019 \u201fin order to”",
    "&quot;in order to&quot; &ldquo;in order to&rdquo; &laquo;in order to&raquo;",
]


@pytest.mark.parametrize("text", QUOTED)
def test_every_kind_of_quotation_and_code_stays(text: str) -> None:
    """Curly, angled and Asian ones, and tags of code, over several paragraphs too."""
    assert reworded(text, LOSSY) == text
    assert reworded(f"In order to win.\n\n{text}", LOSSY) == f"To win.\n\n{text}"
