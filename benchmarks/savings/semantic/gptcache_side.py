"""Runs inside GPTCache's own environment: a stream of vectors through it, as its README sets it up.

Prints one line of JSON. The vectors are given, so its embedder is a look-up; SQLite and faiss
store.
"""

from __future__ import annotations

import json
import sys
import time
from importlib.metadata import version
from typing import Any

import numpy as np
from gptcache import cache  # type: ignore[import-not-found]  # only in its own environment
from gptcache.adapter.api import get, put  # type: ignore[import-not-found]  # the same
from gptcache.manager import (  # type: ignore[import-not-found]  # the same
    CacheBase,
    VectorBase,
    get_data_manager,
)
from gptcache.processor.pre import get_prompt  # type: ignore[import-not-found]  # the same
from gptcache.similarity_evaluation.distance import (  # type: ignore[import-not-found]  # the same
    SearchDistanceEvaluation,
)


def main(path: str) -> None:
    """The stream of one file."""
    with np.load(path) as file:
        vectors, labels = file["v"], file["labels"]

    def look_up(text: str, **_: Any) -> Any:
        return vectors[int(text.split()[1])]

    cache.init(
        pre_embedding_func=get_prompt,
        embedding_func=look_up,
        data_manager=get_data_manager(
            CacheBase("sqlite"), VectorBase("faiss", dimension=vectors.shape[1])
        ),
        similarity_evaluation=SearchDistanceEvaluation(),
    )
    hits = wrong = 0
    took: dict[str, list[float]] = {"get": [], "put": []}
    for at, label in enumerate(labels.tolist()):
        start = time.perf_counter()
        found = get(f"question {at}")
        took["get"].append(time.perf_counter() - start)
        if found is not None:
            hits += 1
            wrong += int(found) != label
            continue
        start = time.perf_counter()
        put(f"question {at}", str(label))
        took["put"].append(time.perf_counter() - start)
    medians = {f"{name}_ms": float(np.median(each)) * 1e3 for name, each in took.items() if each}
    share = {"hits": hits / len(labels), "wrong": wrong / max(1, hits)}
    print(json.dumps({"version": version("gptcache"), **share, **medians}))


if __name__ == "__main__":
    main(sys.argv[1])
