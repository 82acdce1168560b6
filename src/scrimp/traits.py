"""What the ledger knows a paid call by without keeping a word of it: keyed digests and sizes."""

from __future__ import annotations

from scrimp.values import Value


class Traits(Value, frozen=True, omit_defaults=True):
    """Digests are of 64 bits, keyed by a secret of the state folder and made for each tenant.

    `prompt` is all that can change the answer (None: the call, or its reply, is none for memory),
    `stamped` the same without timestamps and ids (None: it has none), `loose` also without white
    space and case. `system` is what stands before the first turn: tools and instructions.
    `result_bytes` are those of results of tools. `own_marks`: it marks itself for the prefix cache.
    """

    body_bytes: int
    prompt: int | None = None
    stamped: int | None = None
    loose: int | None = None
    system: int | None = None
    system_stamped: int | None = None
    system_bytes: int = 0
    result_bytes: int = 0
    max_output_tokens: int | None = None
    own_marks: bool = False
