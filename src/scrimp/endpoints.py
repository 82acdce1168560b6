"""Where each provider is, as the settings say, and what its requests carry."""

from __future__ import annotations

from scrimp.settings import Loaded, ProviderSettings
from scrimp.upstreams.http import Endpoint, Timeouts


def endpoints_of(loaded: Loaded) -> dict[str, Endpoint]:
    """Where each provider is, with its credential in the header that its dialect reads."""
    return {
        name: endpoint_of(provider, loaded.secrets.get(name, ""))
        for name, provider in loaded.settings.providers.items()
    }


def endpoint_of(provider: ProviderSettings, secret: str) -> Endpoint:
    """Where one provider is; `secret` is its key."""
    return Endpoint(
        base_url=provider.base_url,
        headers=_headers_of(provider, secret),
        timeouts=Timeouts(
            connect_s=provider.timeouts.connect_s,
            first_byte_s=provider.timeouts.first_byte_s,
            idle_s=provider.timeouts.idle_s,
            total_s=provider.timeouts.total_s,
        ),
    )


def _headers_of(provider: ProviderSettings, secret: str) -> tuple[tuple[str, str], ...]:
    own = [(name.lower(), value) for name, value in provider.headers.items()]
    if secret and "anthropic.messages" in provider.dialects:
        own.append(("x-api-key", secret))
    if secret and any(dialect.startswith("openai.") for dialect in provider.dialects):
        own.append(("authorization", f"Bearer {secret}"))
    return tuple(own)
