"""Image tokens follow the vendors' rules, and sizes are read from the first bytes."""

from __future__ import annotations

import base64

import pytest

from scrimp.tokens.image_sizes import base64_size, data_url_size
from scrimp.tokens.images import claude_image, gemini_image, image, openai_image, tiles


@pytest.mark.parametrize(
    ("size", "tokens"), [((1024, 1024), 765), ((2048, 4096), 1105), ((512, 512), 255)]
)
def test_openai_tiles(size: tuple[int, int], tokens: int) -> None:
    """The examples of OpenAI's vision guide."""
    assert openai_image("gpt-4o", size, detail="high") == (tokens, tokens, tokens)


def test_low_detail_is_the_base() -> None:
    """85 tokens whatever the size."""
    assert openai_image("gpt-4o", None, detail="low") == (85, 85, 85)


def test_patches() -> None:
    """1024 patches for a square, 1452 for the guide's large example; multipliers apply."""
    assert openai_image("gpt-4.1-mini", (1024, 1024)) == (1659, 1659, 1659)
    assert openai_image("o4-mini", (1800, 2400))[1] == 2498  # 1452 * 1.72
    low, guess, high = openai_image("gpt-5-mini", (1024, 1024))
    assert (low, guess, high) == (1229, 1229, 1659)


@pytest.mark.parametrize("model", ["gpt-4o", "gpt-5", "gpt-5-mini", "o3", "gpt-4o-mini"])
def test_unknown_size_has_a_range(model: str) -> None:
    """A remote image is bounded by the smallest and the largest that the rule can bill."""
    low, guess, high = openai_image(model, None)
    assert 0 < low <= guess <= high
    for size in ((1024, 1024), (800, 600), (2048, 2048)):
        assert openai_image(model, size)[2] <= high


def test_no_image_needs_more_than_eight_tiles() -> None:
    """The fit into 2048 and 768 bounds the tiles."""
    assert max(tiles((w, h)) for w in range(64, 8000, 377) for h in range(64, 8000, 377)) == 8


def test_claude_images() -> None:
    """Large images are capped; newer models take larger ones; the range holds both rules."""
    low, guess, high = claude_image("claude-sonnet-4-5", (4000, 4000))
    assert low <= 1561 <= high
    assert guess <= 1600
    assert claude_image("claude-opus-5", (4000, 4000))[1] > 1600
    small = claude_image("claude-sonnet-4-5", (200, 200))
    assert small[0] <= 54 <= small[2]


def _png(width: int, height: int) -> bytes:
    header = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
    return header + width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x02" * 8


def _jpeg(width: int, height: int) -> bytes:
    comment = b"\xff\xfe\x00\x06abcd"
    frame = b"\xff\xc0\x00\x11\x08" + height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return b"\xff\xd8" + comment + frame + b"\x03" * 10


def _gif(width: int, height: int) -> bytes:
    return b"GIF89a" + width.to_bytes(2, "little") + height.to_bytes(2, "little") + b"\x00" * 8


def _webp(width: int, height: int) -> bytes:
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF\x00\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x00\x00\x00\x00" + sides + b"\x00" * 4


@pytest.mark.parametrize("make", [_png, _jpeg, _gif, _webp])
def test_sizes_are_read(make: object) -> None:
    """PNG, JPEG, GIF and WebP tell their size in the first bytes."""
    assert callable(make)
    data = make(640, 480)
    text = base64.b64encode(data).decode()
    assert base64_size(text) == (640, 480)
    assert data_url_size(f"data:image/any;base64,{text}") == (640, 480)


@pytest.mark.parametrize(
    "text",
    ["", "!!!", "AAAA", "A", base64.b64encode(b"\xff\xd8" + b"\xff" * 40).decode(), "\ud800"],
)
def test_what_is_no_image_has_no_size(text: str) -> None:
    """Garbage is None, never an exception."""
    assert base64_size(text) is None
    assert data_url_size(f"https://example.com/{text}") is None


@pytest.mark.parametrize("make", [_png, _jpeg, _gif])
def test_empty_images_have_no_size(make: object) -> None:
    """A side of 0 is not believed."""
    assert callable(make)
    assert base64_size(base64.b64encode(make(0, 5)).decode()) is None


def test_whose_model_it_is_decides() -> None:
    """Whatever API an image came through, its model's rules count."""
    size = (1024, 1024)
    assert image("openai/gpt-4o", size, detail="high") == openai_image(
        "gpt-4o", size, detail="high"
    )
    assert image("us.anthropic.claude-opus-5", size) == claude_image("claude-opus-5", size)
    assert image("models/gemini-2.5-pro", size) == gemini_image("gemini-2.5-pro", size)


def test_gemini_images() -> None:
    """258 a tile before Gemini 3, both stated rules in the range; then one budget for all."""
    assert gemini_image("gemini-2.5-flash", (384, 384)) == (258, 258, 258)
    low, guess, high = gemini_image("gemini-2.5-flash", (960, 540))
    assert (low, guess, high) == (258, 516, 6 * 258)
    assert gemini_image("gemini-2.5-flash", None)[2] >= 16 * 258
    for size in (None, (256, 256), (4032, 3024)):
        low, _, high = gemini_image("gemini-3-pro-preview", size)
        assert low <= 1065
        assert high >= 1101


@pytest.mark.parametrize(
    "model", ["gpt-5.4", "gpt-5.2", "gpt-5.1-codex-mini", "gpt-6", "gpt-5-nano"]
)
@pytest.mark.parametrize("detail", ["low", "high", "auto"])
def test_newer_models_have_bounds(model: str, detail: str) -> None:
    """An image of unknown size may cost no more than the largest that is billed."""
    low, guess, high = openai_image(model, None, detail=detail)
    assert 0 < low <= guess <= high
    for size in ((64, 64), (1024, 1024), (2048, 1536)):
        low, guess, most = openai_image(model, size, detail=detail)
        assert 0 < low <= guess <= most <= high
