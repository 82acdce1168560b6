"""The demo's provider in a process of its own: `python -m scrimp.demo.simulator_child`."""

from __future__ import annotations

from scrimp.demo.childhood import end_with_parent, tell
from scrimp.simulator import Settings, run_simulator

# A small model's real times divided by about two, so that the day fits in half a minute.
PACE = Settings(
    first_token_ms=200.0, per_token_ms=4.0, jitter=0.3, kept_requests=1, prefix_cache=True
)


def main() -> None:
    """Serve until the parent goes away."""
    end_with_parent()
    run_simulator(settings=PACE, on_ready=tell)


if __name__ == "__main__":
    main()
