"""Where a wrapped client goes, and under which name that is booked."""

from __future__ import annotations

from typing import Any

import anthropic
import httpx
import httpx2
import openai
import pytest

from scrimp.client.wrapping import Home, Homes, Labels, Vendor, library_of, vendor_of
from scrimp.errors import ConfigError, InvalidRequest
from scrimp.settings import Settings, read

HERE = read(
    {
        "providers": {
            "house": {
                "base_url": "https://llm.example/v1/",
                "dialects": ["openai.chat"],
                "prices_as": "openai",
            }
        }
    },
    source="the test",
)
CASES: tuple[tuple[str, Vendor, str, str, str], ...] = (
    ("https://api.openai.com/v1/", "openai", "", "openai", "openai"),
    ("https://api.anthropic.com", "anthropic", "", "anthropic", "anthropic"),
    ("https://api.groq.com/openai/v1", "openai", "", "groq", "groq"),
    ("https://llm.example/v1", "openai", "", "house", "openai"),
    ("https://llm.example/v1", "openai", "groq", "groq@llm.example", "groq"),
    ("https://llm.example", "anthropic", "", "llm.example", ""),
    ("https://other.example/v1", "openai", "", "other.example", ""),
    ("https://other.example/team/v1", "openai", "", "other.example/team", ""),
    ("http://other.example/v1", "openai", "", "http://other.example", ""),
    ("http://127.0.0.1:9/v1", "openai", "openai", "openai@127.0.0.1:9", "openai"),
    ("https://me:secret@other.example/v1", "openai", "", "other.example", ""),
)


@pytest.mark.parametrize(("base_url", "vendor", "prices_as", "name", "prices"), CASES)
def test_an_address_has_a_name_and_prices(
    base_url: str, vendor: Vendor, prices_as: str, name: str, prices: str
) -> None:
    """That of the settings, of a provider that is known, else its host, and no price is guessed."""
    homes = Homes(base_url, vendor, HERE, prices_as)
    url = base_url.rstrip("/").replace("me:secret@", "") + ("/v1" if vendor == "anthropic" else "")
    home = homes.of(f"{url}/models")
    assert home == Home(name, url, vendor, prices)


def test_a_copy_with_another_base_url_goes_there() -> None:
    """Where the path says that it is a provider's API; anything else is not ours to serve."""
    homes = Homes("https://api.openai.com/v1", "openai", Settings(), "")
    other = homes.of("https://other.example/v1/chat/completions?x=1")
    assert other == Home("other.example", "https://other.example/v1", "openai", "")
    assert homes.of("https://files.example/download/7") is None
    assert homes.of("https://api.openai.com/v10/chat") is None


def test_labels_travel_as_a_gateways_client_would_send_them() -> None:
    """Percent-encoded where a header cannot hold them; nothing is sent for nothing."""
    assert Labels().headers() == {}
    assert Labels("Anna Ö", "creative", ("a", "b")).headers() == {
        b"x-scrimp-user": b"Anna %C3%96",
        b"x-scrimp-task": b"creative",
        b"x-scrimp-tags": b"a,b",
    }


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ({"user": "x" * 129}, "129 characters; at most 128"),
        ({"task": "smalltalk"}, "not a task type"),
        ({"tags": ("a\nb",)}, "control characters"),
    ],
)
def test_labels_that_no_call_could_carry_are_refused_at_once(labels: Any, words: str) -> None:
    """Else every call would be."""
    with pytest.raises(InvalidRequest, match=words):
        Labels(**labels)


class MyClient(openai.OpenAI):
    """A program's own kind of client."""


@pytest.mark.parametrize(
    ("client", "vendor"),
    [
        (openai.OpenAI(api_key="sk"), "openai"),
        (openai.AsyncOpenAI(api_key="sk"), "openai"),
        (MyClient(api_key="sk"), "openai"),
        (anthropic.Anthropic(api_key="sk"), "anthropic"),
        (anthropic.AsyncAnthropic(api_key="sk"), "anthropic"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_a_client_is_known_by_its_class(client: object, vendor: str) -> None:
    """Or by one that it is made from."""
    assert vendor_of(client) == vendor


@pytest.mark.parametrize("other", [object(), "sk-secret", httpx2.Client])
def test_what_is_no_client_of_theirs_cannot_be_wrapped(other: object) -> None:
    """The error names its class, never what is in it."""
    with pytest.raises(ConfigError, match="cannot be wrapped") as refused:
        vendor_of(other)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
def test_the_http_library_is_the_clients_own(library: Any) -> None:
    """Of either generation, for a subclass, too."""

    class Mine(library.Client):  # type: ignore[misc]  # by generation
        """A program's own."""

    for kind in (library.Client, library.AsyncClient, Mine):
        assert library_of(kind()) is library
    with pytest.raises(ConfigError, match="httpx or httpx2"):
        library_of(object())
