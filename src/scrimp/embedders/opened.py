"""The embedder that a plan names, or one line that says what is missing for it."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, assert_never, get_args

from scrimp.embedders.remembered import RememberingEmbedder
from scrimp.embedders.threaded import LocalModel, ThreadedEmbedder, ThreadLimits
from scrimp.errors import ConfigError
from scrimp.meanings import Embedder
from scrimp.ports import Upstream

if TYPE_CHECKING:
    from scrimp.embedders.endpoint import EndpointEmbedder, Told

EmbedderName = Literal["minilm", "endpoint", "fastembed", "sentence-transformers"]

NAMES: Final[tuple[str, ...]] = get_args(EmbedderName)
_NEEDED: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "minilm": ("semantic", ("numpy", "onnxruntime", "tokenizers")),
    "endpoint": ("semantic", ("numpy",)),
    "fastembed": ("fastembed", ("numpy", "fastembed")),
    "sentence-transformers": ("sentence-transformers", ("numpy", "sentence_transformers")),
}
_USUAL: Final = {
    "fastembed": "BAAI/bge-small-en-v1.5",
    "sentence-transformers": "sentence-transformers/all-MiniLM-L6-v2",
}
# What the models' own pages say (OpenAI's embeddings guide, model cards), checked 2026-11-22.
_DIMS: Final = {
    "text-embedding-3-small": 1536,
    "text-embedding-3-large": 3072,
    "text-embedding-ada-002": 1536,
    "mistral-embed": 1024,
    "BAAI/bge-small-en-v1.5": 384,
    "BAAI/bge-base-en-v1.5": 768,
    "BAAI/bge-large-en-v1.5": 1024,
    "sentence-transformers/all-MiniLM-L6-v2": 384,
    "sentence-transformers/all-mpnet-base-v2": 768,
}
_SHORTENED: Final = frozenset({"text-embedding-3-small", "text-embedding-3-large"})


@dataclass(frozen=True, slots=True)
class EmbedderPlan:
    """What is asked for. `provider` is the upstream's name of an endpoint.

    `dims` 0: those that the model is known for. `remember`: vectors kept of the last texts.
    `threads` run a model of this process; `batch`, `window_s` and `flights` are for an endpoint.
    """

    name: str = "minilm"
    model: str = ""
    dims: int = 0
    precision: Literal["q8", "fp32"] = "q8"
    provider: str = ""
    timeout_s: float = 2.0
    threads: int = 1
    batch: int = 100
    window_s: float = 0.015
    flights: int = 4
    remember: int = 1024


@dataclass(frozen=True, slots=True)
class OpenEmbedder:
    """An embedder at work; `run` has to run beside it (it ends after `close`)."""

    embedder: Embedder
    run: Callable[[], Coroutine[Any, Any, None]]


def open_embedder(
    plan: EmbedderPlan, upstream: Upstream | None = None, told: Told | None = None
) -> OpenEmbedder:
    """Open it; nothing is loaded or asked yet. Raises ConfigError.

    An endpoint is asked through `upstream`; `told` hears what each of its answers used. What is
    slow or dead later is a StoreError of `embed`.
    """
    name = _checked_name(plan)
    made: ThreadedEmbedder | EndpointEmbedder
    match name:
        case "minilm":
            made = _in_threads(_minilm(plan), plan)
        case "fastembed" | "sentence-transformers":
            made = _in_threads(_of_library(plan, name), plan)
        case "endpoint":
            made = _endpoint(plan, upstream, told)
        case _:
            assert_never(name)
    return OpenEmbedder(_remembering(made, plan), made.run)


def open_local(model: LocalModel, plan: EmbedderPlan) -> OpenEmbedder:
    """A model that somebody else brought, bounded and remembering as the plan says."""
    made = _in_threads(model, plan)
    return OpenEmbedder(_remembering(made, plan), made.run)


def _checked_name(plan: EmbedderPlan) -> EmbedderName:
    """The name, when there is such an embedder and all that it needs is installed."""
    if plan.name not in NAMES:
        raise ConfigError(f"there is no embedder '{plan.name}' (one of {', '.join(NAMES)})")
    name: EmbedderName = plan.name  # type: ignore[assignment]  # it is in the list of them
    extra, modules = _NEEDED[name]
    missing = [one for one in modules if importlib.util.find_spec(one) is None]
    if missing:
        raise ConfigError(
            f"embedder '{name}' needs {', '.join(missing)}, not installed here "
            f"(pip install 'scrimp[{extra}]')"
        )
    return name


def _remembering(made: Embedder, plan: EmbedderPlan) -> Embedder:
    return RememberingEmbedder(made, plan.remember) if plan.remember > 0 else made


def _in_threads(model: LocalModel, plan: EmbedderPlan) -> ThreadedEmbedder:
    return ThreadedEmbedder(model, ThreadLimits(plan.threads, timeout_s=plan.timeout_s))


def _minilm(plan: EmbedderPlan) -> LocalModel:
    from scrimp.embedders.minilm import MiniLm  # noqa: PLC0415 - an optional extra
    from scrimp.embedders.minilm_weights import find_model  # noqa: PLC0415 - the same

    if plan.model:
        raise ConfigError(f"embedder 'minilm' is one model (leave out model = '{plan.model}')")
    find_model()
    return MiniLm(plan.precision)


def _of_library(
    plan: EmbedderPlan, name: Literal["fastembed", "sentence-transformers"]
) -> LocalModel:
    from scrimp.embedders.libraries import (  # noqa: PLC0415 - an optional extra
        FastembedModel,
        SentenceTransformersModel,
    )

    model = plan.model or _USUAL[name]
    kind = FastembedModel if name == "fastembed" else SentenceTransformersModel
    return kind(model, _dims(plan, model))


def _endpoint(plan: EmbedderPlan, upstream: Upstream | None, told: Told | None) -> EndpointEmbedder:
    from scrimp.embedders.batching import BatchLimits  # noqa: PLC0415 - an optional extra
    from scrimp.embedders.endpoint import EndpointEmbedder, EndpointOptions  # noqa: PLC0415 - same

    if not plan.model or not plan.provider or upstream is None:
        raise ConfigError("embedder 'endpoint' needs a provider and a model (and dims, if unknown)")
    options = EndpointOptions(
        plan.provider,
        plan.model,
        _dims(plan, plan.model),
        send_dims=plan.model in _SHORTENED and plan.dims not in (0, _DIMS[plan.model]),
        limits=BatchLimits(
            plan.batch, plan.window_s, flights=plan.flights, timeout_s=plan.timeout_s
        ),
    )
    return EndpointEmbedder(upstream, options, told or _untold)


def _untold(_spent: object) -> None:
    """Nobody books it."""


def _dims(plan: EmbedderPlan, model: str) -> int:
    dims = plan.dims or _DIMS.get(model, 0)
    if dims <= 0:
        raise ConfigError(
            f"how long are the vectors of '{model}'? Say it once (dims = 768, or what it makes)"
        )
    return dims
