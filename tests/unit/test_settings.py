"""Settings: what holds without a file, and what is said about a bad one."""

from __future__ import annotations

from pathlib import Path

import pytest

from scrimp.errors import ConfigError
from scrimp.providers import DEFAULT_PROVIDERS
from scrimp.settings import Settings, load, parse, ttl_seconds

DIGEST = "ab" * 32
PROVIDER = '[providers.p]\nbase_url = "https://p.example/v1"\ndialects = ["openai.chat"]\n'


def refused(text: str) -> str:
    """Why a file is refused, in one line that names it."""
    with pytest.raises(ConfigError) as caught:
        parse(text.encode(), source="my.toml")
    said = str(caught.value)
    assert said.startswith("my.toml: ")
    assert "\n" not in said
    return said.removeprefix("my.toml: ")


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without settings, and a home without any."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("platformdirs.user_config_dir", lambda _: str(tmp_path / "home"))
    return tmp_path


def test_every_default() -> None:
    """An empty file is a whole one."""
    settings = parse(b"", source="my.toml")
    assert settings == Settings()
    server, cache, retry = settings.server, settings.exact_cache, settings.retry
    assert (server.host, server.port, server.allowed_hosts) == ("127.0.0.1", 4141, ())
    assert (server.max_body_bytes, server.write_timeout_s, server.drain_s) == (2**25, 60.0, 30.0)
    assert settings.auth.mode == "keys"
    assert (cache.enabled, cache.max_bytes, cache.max_reply_bytes) == (True, 2**28, 2**20)
    assert (cache.max_temperature, cache.ttl) == (1.0, {})
    assert (retry.attempts, retry.base_s) == (3, 0.25)
    assert (retry.max_wait_s, retry.max_retry_after_s) == (8.0, 20.0)
    assert settings.ledger.keep_content is False
    assert settings.ledger_path == settings.state_path / "ledger.sqlite"
    assert (settings.providers, settings.models, settings.keys) == ({}, {}, ())


def test_the_defaults_of_a_provider() -> None:
    """Time limits in seconds; usage is asked for; its own prices."""
    provider = parse(PROVIDER.encode(), source="my.toml").providers["p"]
    limits = provider.timeouts
    assert (limits.connect_s, limits.first_byte_s) == (10.0, 300.0)
    assert (limits.idle_s, limits.total_s) == (120.0, 1800.0)
    assert (provider.key_env, provider.prices_as, provider.headers) == ("", "", {})
    assert (provider.any_model, provider.ask_usage) == (False, True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[server]\nprot = 1", "server: no setting has the name 'prot' (did you mean 'port'?)"),
        ("sever = 1", "no setting has the name 'sever' (did you mean 'server'?)"),
        ("[server]\nzzzzzz = 1", "server: no setting has the name 'zzzzzz'"),
        ('[server]\nport = "4141"', "server.port: expected `int`, got `str`"),
        ("[server]\nport = 70000", "server.port: expected `int` <= 65535"),
        ("[retry]\nattempts = 0", "retry.attempts: expected `int` >= 1"),
        ("[retry]\nbase_s = 0", "retry.base_s: expected `float` > 0.0"),
        ('[auth]\nmode = "open"', "'open' (one of keys, passthrough)"),
        ("[providers.p]\ndialects = []", "providers.p: 'base_url' is missing"),
        ('[providers.openai]\nkey = "x"', "providers.openai: no setting has the name 'key'"),
        ('[providers."a b"]', "providers: a name must be 1 to 64 letters"),
        ('[prices."gpt-4o"]\ninput = 0.15\noutput = "1"', "prices.gpt-4o.input: expected `str`"),
        ('[prices."gpt-4o"]\ninput = 0.15\noutput = "1"', 'quotes, so that it is exact: input = "'),
        ("[aliases]\nfast = 1", "aliases.fast: expected `str`, got `int`"),
        ("[exact_cache.ttl]\ngeneral = 90", "exact_cache.ttl.general: expected `str`"),
        (PROVIDER.replace("https", "ftp"), "providers.p.base_url must be an http(s) address"),
        (PROVIDER.replace('"openai.chat"', ""), "providers.p.dialects is empty"),
        (PROVIDER.replace("openai.chat", "openai.chta"), "'openai.chta' (one of openai.chat, "),
        ('[exact_cache.ttl]\ngeneral = "1w"', "exact_cache.ttl.general: not a time: '1w'"),
        ('[exact_cache.ttl]\nfacts = "1d"', "exact_cache.ttl.facts is no task type (factual_qa"),
        (f'[[keys]]\nname = "a"\nsha256 = "{DIGEST[:-1]}"', "keys[0].sha256: must be 64 hex"),
        (f'[[keys]]\nname = "a"\nsha256 = "{DIGEST.upper()}"', "keys[0].sha256: must be 64 hex"),
        (f'[[keys]]\nname = "a"\nsha256 = "{DIGEST}\\n"', "keys[0].sha256: must be 64 hex"),
        (f'[[keys]]\nname = "a b"\nsha256 = "{DIGEST}"', "keys[0].name: must be 1 to 64 letters"),
        ("= 1", "not valid TOML: "),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, said: str) -> None:
    """File, field, what was expected and what was found."""
    assert said in refused(text)


def test_a_known_provider_needs_only_what_differs() -> None:
    """Address, dialect and the name of its key are filled in; what the file says wins."""
    text = '[providers.openai]\nask_usage = false\n[providers.anthropic]\nkey_env = "MINE"'
    providers = parse(text.encode(), source="my.toml").providers
    openai, anthropic = providers["openai"], providers["anthropic"]
    assert (openai.base_url, openai.key_env) == ("https://api.openai.com/v1", "OPENAI_API_KEY")
    assert openai.dialects == ("openai.chat", "openai.responses")
    assert openai.ask_usage is False
    assert (anthropic.dialects, anthropic.key_env) == (("anthropic.messages",), "MINE")


def test_a_key_goes_only_to_its_own_provider() -> None:
    """Under another address the known name brings no key along."""
    text = '[providers.openai]\nbase_url = "https://proxy.example/v1"'
    provider = parse(text.encode(), source="my.toml").providers["openai"]
    assert provider.dialects == ("openai.chat", "openai.responses")
    assert provider.key_env == ""


def test_bytes_that_are_no_text() -> None:
    """A file in another encoding is named as such."""
    with pytest.raises(ConfigError, match=r"my\.toml: not valid TOML"):
        parse(b"a = '\xff'", source="my.toml")


def key(name: str, digest: str = DIGEST, more: str = "") -> str:
    """A table of one key."""
    return f'[[keys]]\nname = "{name}"\nsha256 = "{digest}"\n{more}\n'


def test_two_keys_are_two_tenants() -> None:
    """A name is what separates remembered answers, so it may stand once."""
    other = "cd" * 32
    assert "two keys have the name 'a'" in refused(key("a") + key("a", other))
    assert "'b' has the sha256 of another key" in refused(key("a") + key("b"))
    assert len(parse((key("a") + key("b", other)).encode(), source="x").keys) == 2


def test_a_keys_task_is_checked() -> None:
    """A typo would change how long answers live."""
    assert "key 'a' has an unknown task 'chat'" in refused(key("a", more='task = "chat"'))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("90", 90), ("90s", 90), ("30m", 1800), ("24h", 86400), (" 7d ", 604800)],
)
def test_times(text: str, seconds: int) -> None:
    """A number and a unit; seconds when there is none."""
    assert ttl_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "d", "-1", "1.5h", "1w", "1 d", "1h30m", "9999999999s"])
def test_no_times(text: str) -> None:
    """With examples of what would be one."""
    with pytest.raises(ConfigError, match="write it like"):
        ttl_seconds(text)


def test_a_time_beyond_all_calendars() -> None:
    """It would overflow a date at the first answer; it is refused at the start."""
    assert ttl_seconds("3650d") == 3650 * 86400
    with pytest.raises(ConfigError, match="at most 3650d"):
        ttl_seconds("999999999d")


def test_without_a_file_the_environment_decides(nowhere: Path) -> None:
    """A provider for each key that is set and not empty, in a fixed order."""
    loaded = load({"ANTHROPIC_API_KEY": "sk-b", "OPENAI_API_KEY": "sk-a", "GROQ_API_KEY": ""})
    assert list(loaded.settings.providers) == ["openai", "anthropic"]
    assert loaded.secrets == {"openai": "sk-a", "anthropic": "sk-b"}
    assert loaded.source == "the environment"
    assert loaded.settings.providers["openai"].base_url == "https://api.openai.com/v1"
    assert not (nowhere / "scrimp.toml").exists()


@pytest.mark.parametrize("default", DEFAULT_PROVIDERS, ids=lambda default: default.name)
def test_each_default_provider_is_a_whole_one(default: object, nowhere: Path) -> None:
    """It passes the checks of a written one, over an encrypted connection."""
    name, env = getattr(default, "name"), getattr(default, "key_env")  # noqa: B009 (an object here)
    provider = load({env: "k"}).settings.providers[name]
    assert provider.base_url.startswith("https://")
    assert not provider.base_url.endswith("/")
    assert provider.dialects
    assert nowhere.is_dir()


def test_a_file_with_providers_is_taken_at_its_word(nowhere: Path) -> None:
    """Keys in the environment add none to it; its own key is read from the variable it names."""
    (nowhere / "scrimp.toml").write_text(PROVIDER + 'key_env = "MY_KEY"\n')
    loaded = load({"OPENAI_API_KEY": "sk-a", "MY_KEY": "sk-mine"})
    assert (list(loaded.settings.providers), loaded.secrets) == (["p"], {"p": "sk-mine"})
    assert loaded.source == "scrimp.toml"


def test_a_file_without_providers_keeps_those_of_the_environment(nowhere: Path) -> None:
    """It may be about a port only."""
    (nowhere / "scrimp.toml").write_text("[server]\nport = 5151\n")
    loaded = load({"OPENAI_API_KEY": "sk-a"})
    assert loaded.settings.server.port == 5151
    assert list(loaded.settings.providers) == ["openai"]


def test_which_file(nowhere: Path) -> None:
    """The argument, then the variable, then the folder, then the home."""
    places = [nowhere / name for name in ("arg.toml", "env.toml", "scrimp.toml")]
    places.append(nowhere / "home" / "scrimp.toml")
    places[3].parent.mkdir()
    for port, place in enumerate(places, start=1):
        place.write_text(f"[server]\nport = {port}\n")
    environ = {"SCRIMP_CONFIG": str(places[1])}
    assert load(environ, places[0]).settings.server.port == 1
    assert load(environ).settings.server.port == 2
    assert load({}).settings.server.port == 3
    places[2].unlink()
    assert load({}).settings.server.port == 4


def test_a_file_that_is_not_there(nowhere: Path) -> None:
    """Named by hand it must exist; a folder is none, and one that cannot be read says so."""
    with pytest.raises(ConfigError, match=r"no such file: .*missing\.toml \(scrimp init"):
        load({}, nowhere / "missing.toml")
    with pytest.raises(ConfigError, match="no such file"):
        load({"SCRIMP_CONFIG": str(nowhere)})


def test_a_file_that_cannot_be_read(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One clear line, no traceback."""

    def denied(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    (nowhere / "scrimp.toml").write_text("")
    monkeypatch.setattr(Path, "read_bytes", denied)
    with pytest.raises(ConfigError, match=r"scrimp\.toml: cannot be read: Permission denied"):
        load({})


def test_where_state_lives(nowhere: Path) -> None:
    """The file's word, then SCRIMP_STATE, then the system's folder; the ledger inside, or apart."""
    assert load({"SCRIMP_STATE": "/s"}).settings.ledger_path == Path("/s/ledger.sqlite")
    (nowhere / "scrimp.toml").write_text('state_dir = "/f"\n')
    assert load({"SCRIMP_STATE": "/s"}).settings.state_path == Path("/f")
    (nowhere / "scrimp.toml").write_text('[ledger]\npath = "~/l.db"\n')
    assert load({}).settings.ledger_path == Path("~/l.db").expanduser()


def test_secrets_are_never_shown(nowhere: Path) -> None:
    """Which providers have one is said, not what it is."""
    loaded = load({"OPENAI_API_KEY": "sk-very-secret"})
    assert "sk-very-secret" not in f"{loaded!r} {loaded}"
    assert "openai" in repr(loaded)
    assert nowhere.is_dir()


def test_headers_of_a_provider_are_never_shown() -> None:
    """People put credentials there."""
    text = PROVIDER + '[providers.p.headers]\nAuthorization = "Bearer sk-very-secret"\n'
    settings = parse(text.encode(), source="my.toml")
    assert "sk-very-secret" not in repr(settings)
