"""LiteLLM's answer to vectors on standard input: USD or an error by id, as JSON. Runs in its venv.

Each usage goes through LiteLLM's own reader of that provider's shape, then through
`completion_cost` with the tier, region and residency that its signature takes. It takes no time of
the call: it prices at the time of its clock.
"""

# mypy: ignore-errors
# ruff: noqa: D103, PLC0415, ANN001, ANN201, SLF001, BLE001
import json
import os
import sys
import timeit

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm

PREFIX = {"google": "gemini", "aws": "bedrock", "x-ai": "xai"}


def usage_of(vector):
    told, provider = vector["usage"], vector["provider"]
    if "promptTokenCount" in told:
        from litellm.llms.vertex_ai.gemini.vertex_and_google_ai_studio_gemini import (
            VertexGeminiConfig,
        )

        return VertexGeminiConfig._calculate_usage({"usageMetadata": told})
    if "inputTokens" in told:
        from litellm.llms.bedrock.chat.converse_transformation import AmazonConverseConfig

        return AmazonConverseConfig().transform_usage(told)
    if provider == "anthropic" or vector.get("api_flavor") == "anthropic":
        from litellm.llms.anthropic.chat.transformation import AnthropicConfig

        return AnthropicConfig().calculate_usage(usage_object=told, reasoning_content=None)
    if "input_tokens" in told:
        from litellm.responses.utils import ResponseAPILoggingUtils

        return ResponseAPILoggingUtils._transform_response_api_usage_to_chat_usage(told)
    return litellm.Usage(**told)


def cost_of(vector):
    context = vector.get("context") or {}
    extra = vector.get("response_extra") or {}
    tier = extra.get("service_tier") or context.get("service_tier")
    if context.get("processing") == "batch":
        tier = "batch"
    response = litellm.ModelResponse(model=vector["model"], usage=usage_of(vector))
    if context.get("inference_geo"):
        response.usage.inference_geo = context["inference_geo"]
    provider = PREFIX.get(vector["provider"], vector["provider"])
    if tier == "batch":
        from litellm.cost_calculator import batch_cost_calculator

        return sum(batch_cost_calculator(response.usage, vector["model"], provider))
    return litellm.completion_cost(
        completion_response=response,
        model=vector["model"],
        custom_llm_provider=provider,
        service_tier=tier,
    )


def answer(vector):
    if vector["usage"] is None:
        response = litellm.ModelResponse(model=vector["model"])
        return litellm.completion_cost(completion_response=response, model=vector["model"])
    return cost_of(vector)


def main():
    vectors = json.load(sys.stdin)
    answers = {}
    for vector in vectors:
        try:
            answers[vector["id"]] = {"usd": repr(answer(vector))}
        except Exception as error:
            answers[vector["id"]] = {"error": f"{type(error).__name__}: {str(error)[:160]}"}
    plain = next(one for one in vectors if "usd" in answers[one["id"]])
    times = timeit.repeat(lambda: answer(plain), number=200, repeat=5)
    from importlib.metadata import version

    print(
        json.dumps(
            {
                "version": version("litellm"),
                "answers": answers,
                "us_per_call": min(times) / 200 * 1e6,
            }
        )
    )


main()
