"""The vocabulary-free token counter and the prices of images."""

from __future__ import annotations

import base64
import gzip
from pathlib import Path

import pytest
import tiktoken
from hypothesis import example, given
from hypothesis import strategies as st

from scrimp.simulator import images, phrases, tokens

HERE = Path(__file__)
ROOT = HERE.parents[3]
VOCABULARY = ROOT / "src/scrimp/encoders/vocab/o200k_base.tiktoken.gz"
O200K_PATTERN = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


@given(st.text())
@example("\u0665 \u1c50")
def test_no_character_is_lost_between_tokens(text: str) -> None:
    """Joined, the tokens are the text again, whatever it holds."""
    assert "".join(tokens.split(text)) == text


@given(st.text(), st.text())
def test_more_text_is_never_fewer_tokens_by_more_than_the_seam(left: str, right: str) -> None:
    """Only the tokens at a seam can merge."""
    apart = tokens.count(left) + tokens.count(right)
    assert apart - 3 <= tokens.count(left + right) <= apart + 3


@pytest.mark.parametrize(
    ("text", "count"),
    [("", 0), ("Hello, world!", 4), (" the cat", 2), ("12345", 2), ("don't", 2), ("\n\n", 1)],
)
def test_counts_are_those_that_people_expect(text: str, count: int) -> None:
    """Words with their space, digits by threes, contractions, line ends."""
    assert tokens.count(text) == count


@given(st.integers(0, 10_000))
def test_a_limit_in_claude_tokens_is_never_overrun(limit: int) -> None:
    """As many raw tokens as the limit allows scale to at most the limit, and one more does not."""
    raw = tokens.raw_limit(limit, claude=True)
    assert tokens.scaled(raw, claude=True) <= limit < tokens.scaled(raw + 1, claude=True)


def test_an_image_is_charged_by_its_size() -> None:
    """A PNG header tells the size: 512 x 512 is one tile at OpenAI, 350 tokens at Anthropic."""
    header = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (512).to_bytes(4) + (512).to_bytes(4)
    data = base64.b64encode(header).decode()
    assert images.openai_tokens(f"data:image/png;base64,{data}", detail="auto") == 255
    assert images.openai_tokens("https://example.com/a.png", detail="low") == 85
    assert images.openai_tokens("https://example.com/a.png", detail="auto") == 765
    assert images.claude_tokens(data) == 350


@pytest.fixture(scope="module")
def o200k() -> tiktoken.Encoding:
    """OpenAI's tokenizer, from the vocabulary that the package carries."""
    lines = gzip.decompress(VOCABULARY.read_bytes()).splitlines()
    pairs = (line.split() for line in lines if line)
    ranks = {base64.b64decode(token): int(rank) for token, rank in pairs}
    return tiktoken.Encoding(
        "o200k", pat_str=O200K_PATTERN, mergeable_ranks=ranks, special_tokens={}
    )


@pytest.mark.parametrize("kind", ["prose", "answers", "code", "tests", "typescript"])
def test_counts_are_within_15_percent_of_o200k(o200k: tiktoken.Encoding, kind: str) -> None:
    """English prose, the simulator's own sentences, Python and TypeScript."""
    texts = {
        "prose": (ROOT / "LICENSE").read_text(),
        "answers": " ".join(line for topic in phrases.SUPPORT for line in topic.sentences),
        "code": (ROOT / "src/scrimp/simulator/delivery.py").read_text(),
        "tests": HERE.read_text(),
        "typescript": phrases.CODE_BLOCKS[3],
    }
    text = texts[kind]
    assert 0.85 < tokens.count(text) / len(o200k.encode_ordinary(text)) < 1.15
