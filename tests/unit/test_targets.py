"""Names of models: who serves them, and what is said when nobody does."""

from __future__ import annotations

import difflib

import pytest

from scrimp.calls import Target
from scrimp.errors import ConfigError, InvalidRequest, UnknownModel
from scrimp.targets import ModelEntry, Provider, Targets

CHAT, MESSAGES = "openai.chat", "anthropic.messages"


def provider(
    name: str, *models: str, dialects: tuple[str, ...] = (CHAT,), any_model: bool = False
) -> Provider:
    """A provider that knows these models, and those that start with its own name."""
    return Provider(
        name=name,
        dialects=frozenset(dialects),
        knows=lambda model: model in models or model.startswith(f"{name}-"),
        known_models=models,
        any_model=any_model,
    )


OPENAI = provider("openai", "gpt-4o", "gpt-4o-mini", "shared")
CLAUDE = provider("anthropic", "claude-x", dialects=(MESSAGES,))
LOCAL = provider("local", any_model=True)
ROUTER = provider("router", "openai/gpt-4o", "shared", any_model=True, dialects=(CHAT, MESSAGES))


def targets(
    *providers: Provider, models: dict[str, ModelEntry] | None = None, **aliases: str
) -> Targets:
    """Targets over these providers."""
    return Targets(providers, models or {}, aliases)


def test_a_listed_model_goes_to_its_provider() -> None:
    """The first that knows it, in the order of the settings; match rules count too."""
    ours = targets(OPENAI, CLAUDE, ROUTER)
    assert ours.resolve("gpt-4o", CHAT) == Target("openai", "gpt-4o", CHAT)
    assert ours.resolve("shared", CHAT).provider == "openai"
    assert targets(ROUTER, OPENAI).resolve("shared", CHAT).provider == "router"
    assert ours.resolve("openai-2029", CHAT) == Target("openai", "openai-2029", CHAT)


def test_settings_win_over_price_lists() -> None:
    """A model of the settings may point anywhere, under another id."""
    ours = targets(OPENAI, ROUTER, models={"gpt-4o": ModelEntry("router", "meta/llama")})
    assert ours.resolve("gpt-4o", CHAT) == Target("router", "meta/llama", CHAT)


def test_an_alias_is_looked_up_first() -> None:
    """It stands for a model of the settings, of a list, or a name with its provider."""
    ours = targets(
        OPENAI,
        ROUTER,
        models={"mine": ModelEntry("router", "x")},
        fast="gpt-4o-mini",
        own="mine",
        far="router/abc",
    )
    assert ours.resolve("fast", CHAT) == Target("openai", "gpt-4o-mini", CHAT)
    assert ours.resolve("own", CHAT) == Target("router", "x", CHAT)
    assert ours.resolve("far", CHAT) == Target("router", "abc", CHAT)


def test_a_name_may_say_its_provider() -> None:
    """Even a model that no list has; a prefix that is no provider is part of the name."""
    ours = targets(OPENAI, ROUTER)
    assert ours.resolve("openai/new-one", CHAT) == Target("openai", "new-one", CHAT)
    assert ours.resolve("meta/llama", CHAT) == Target("router", "meta/llama", CHAT)
    assert targets(ROUTER).resolve("openai/gpt-4o", CHAT) == Target("router", "openai/gpt-4o", CHAT)
    assert ours.resolve("openai/", CHAT) == Target("router", "openai/", CHAT)


def test_a_provider_of_any_model_takes_the_rest() -> None:
    """Only where it speaks the call's dialect."""
    assert targets(OPENAI, ROUTER).resolve("odd", MESSAGES) == Target("router", "odd", MESSAGES)


def test_another_speaker_is_taken_before_a_refusal() -> None:
    """The list's provider does not speak the dialect, a router does."""
    assert targets(OPENAI, ROUTER).resolve("gpt-4o", MESSAGES).provider == "router"


@pytest.mark.parametrize("name", ["gpt-4o", "openai/gpt-4o", "mine"])
def test_who_speaks_only_the_counterpart_is_asked_in_translation(name: str) -> None:
    """The target keeps the client's dialect; the provider's own is told beside it."""
    ours = targets(OPENAI, CLAUDE, models={"mine": ModelEntry("openai", "gpt-4o")})
    assert ours.resolve(name, MESSAGES) == Target("openai", "gpt-4o", MESSAGES)
    assert ours.resolve("claude-x", CHAT) == Target("anthropic", "claude-x", CHAT)
    assert (ours.spoken("openai", MESSAGES), ours.spoken("anthropic", CHAT)) == (CHAT, MESSAGES)
    assert ours.spoken("openai", CHAT) == CHAT
    assert ours.spoken("somebody", MESSAGES) == MESSAGES  # a program points there itself
    assert targets(LOCAL).resolve("llama", MESSAGES).provider == "local"
    assert targets(LOCAL, CLAUDE).resolve("claude-x", CHAT).provider == "local"  # it speaks chat


@pytest.mark.parametrize("name", ["gpt-4o", "openai/gpt-4o", "mine"])
def test_the_wrong_dialect_says_which_is_spoken(name: str) -> None:
    """With the way out, not as an unknown model, where nothing is to be translated."""
    ours = targets(OPENAI, CLAUDE, models={"mine": ModelEntry("openai", "gpt-4o")})
    said = r"'openai', which speaks openai\.chat; this call speaks anthropic"
    with pytest.raises(InvalidRequest, match=said):
        ours.resolve(name, MESSAGES, native_only=True)
    assert ours.resolve(name, CHAT, native_only=True).provider == "openai"


@pytest.mark.parametrize("dialect", ["openai.responses", "anthropic.count_tokens"])
def test_what_has_no_counterpart_is_refused(dialect: str) -> None:
    """Only chats and messages are translated."""
    ours = targets(provider("openai", "gpt-4o"), provider("a", "c", dialects=(MESSAGES,)))
    name = "c" if dialect.startswith("openai") else "gpt-4o"
    with pytest.raises(InvalidRequest, match=f"this call speaks {dialect}"):
        ours.resolve(name, dialect)


def test_an_unknown_model_comes_with_a_suggestion() -> None:
    """The likeliest name, who was asked, and how to add it."""
    with pytest.raises(UnknownModel) as caught:
        targets(OPENAI, CLAUDE).resolve("gpt-4o-mnii", CHAT)
    said = str(caught.value)
    assert "did you mean 'gpt-4o-mini'?" in said
    assert "(openai, anthropic)" in said
    assert '[models."gpt-4o-mnii"]' in said


def test_nonsense_has_no_suggestion_and_is_cut() -> None:
    """A name comes from the client: at most 80 characters of it come back."""
    with pytest.raises(UnknownModel) as caught:
        targets(OPENAI).resolve("z" * 5000, CHAT)
    assert "did you mean" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_suggestion_looks_at_few_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Comparing is slow, and anyone may ask for names that are not there, again and again."""
    compared: list[int] = []

    def compare(word: str, names: list[str], **_: object) -> list[str]:
        assert word
        compared.append(len(names))
        return []

    monkeypatch.setattr(difflib, "get_close_matches", compare)
    many = Provider(
        "many", frozenset({CHAT}), lambda _: False, tuple(f"gpt-{number}" for number in range(5000))
    )
    with pytest.raises(UnknownModel):
        targets(many).resolve("gpt-none", CHAT)
    assert compared[0] <= 64


def test_without_providers_the_way_out_is_said() -> None:
    """Before anything else: set a key or write a file."""
    with pytest.raises(UnknownModel, match=r"set OPENAI_API_KEY .* scrimp init"):
        targets().resolve("gpt-4o", CHAT)
    with pytest.raises(InvalidRequest, match="configured: none"):
        targets().default_provider(CHAT)


def test_settings_that_name_a_missing_provider_are_refused_at_start() -> None:
    """Not at the first call."""
    with pytest.raises(ConfigError, match=r"'mine' .* 'nobody', which is not configured .*openai"):
        targets(OPENAI, models={"mine": ModelEntry("nobody", "x")})


def test_what_is_listed_for_clients() -> None:
    """Aliases, models of the settings, lists; each name once."""
    ours = targets(OPENAI, ROUTER, models={"mine": ModelEntry("router", "x")}, m="mine", g="gpt-4o")
    assert ours.listed() == (
        ("m", "router"),
        ("g", "alias"),
        ("mine", "router"),
        ("gpt-4o", "openai"),
        ("gpt-4o-mini", "openai"),
        ("shared", "openai"),
        ("openai/gpt-4o", "router"),
    )
    assert ours.has("router")
    assert not ours.has("anthropic")
    assert ours.default_provider(MESSAGES) == "router"


def test_names_of_clients_do_not_fill_the_memory() -> None:
    """Answers stay right when more names come than are remembered."""
    ours = targets(ROUTER)
    for number in range(5000):
        assert ours.resolve(f"m{number}", CHAT).model == f"m{number}"
    assert len(ours._resolved) == 4096


def test_a_model_of_a_provider_that_is_not_configured_says_how_to_get_it() -> None:
    """A typing error is not the likeliest reason then, and no other model is suggested."""
    ours = Targets((OPENAI,), {}, {}, lambda model: "set THE_KEY" if model == "claude-x" else "")
    with pytest.raises(UnknownModel, match="served by no configured provider: set THE_KEY"):
        ours.resolve("claude-x", MESSAGES)
    with pytest.raises(UnknownModel, match="did you mean 'gpt-4o'"):
        ours.resolve("gpt-4p", CHAT)
