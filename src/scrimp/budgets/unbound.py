"""What in a request keeps anybody from knowing how much it may cost. Pure.

Under a hard limit such a call is refused: nothing is assumed to be free, or to end, that is not
known to. What hosted tools cost is on the providers' pricing pages, what they may do in their API
references (OpenAI's and Anthropic's, 2026-11).
"""

from __future__ import annotations

from scrimp.calls import Request
from scrimp.prices.bound import Ask, tools_in

_OTHERS = {
    "models": "lets the provider answer with other models",
    "fallbacks": "lets the provider answer with other models",
    "plugins": "lets the provider work with plugins, whose fees are not known",
    "search_parameters": "lets the provider search, for a fee that is not known",
}
_STORED = {"prompt": "names a prompt that the provider keeps, with tools that are not shown"}
_ADDED = b'"tool_addition"'
_HOSTED = ("web_search", "file_search", "web_fetch", "mcp", "tool_search")
"""Tools that the provider runs and whose fee is known, or that cost tokens only."""
_BY_FEE = ("code_execution", "code_interpreter", "image_generation", "shell", "advisor")
"""Tools that the provider runs for a fee that no price list has; settings may state one."""
_OF_CLIENTS = (
    *("function", "custom", "namespace", "local_shell", "apply_patch"),
    *("computer", "bash", "text_editor", "memory", "browser_toolset"),
)
"""What begins the types of tools that the client runs."""


def why_unbound(request: Request, dialect: str, ask: Ask) -> str:
    """What in a call has no known end, with the way out; empty where all of it has one."""
    fields = request.fields
    others = {**_OTHERS, **_STORED} if dialect == "openai.responses" else _OTHERS
    for name, does in others.items():
        if fields.get(name):
            return f"'{name}' {does} (leave it out)"
    if dialect == "anthropic.messages" and _ADDED in request.body:
        return "'tool_addition' brings tools in the middle of messages (send them in 'tools')"
    if ask.uses and dialect.startswith("openai."):
        endless = next((name for name, most in ask.uses if most is None), "")
        if endless:
            return f"{endless} may run without an end (set 'max_tool_calls')"
    return _strange_tool(request)


def _strange_tool(request: Request) -> str:
    for tool in tools_in(request.fields):
        kind = tool.get("type") if isinstance(tool, dict) else None
        if kind is None or kind == "function":
            continue
        if not isinstance(kind, str) or not kind.startswith((*_OF_CLIENTS, *_HOSTED, *_BY_FEE)):
            return f"what a tool of type {str(kind)[:40]!r} costs is not known (leave it out)"
    return ""


def why_unpriced(tools: tuple[str, ...], model: str) -> str:
    """The same for hosted tools that no price list has a fee for; empty where there are none."""
    if not tools:
        return ""
    return (
        f"what {tools[0]} costs beside tokens is not known (state it, in dollars per 1,000 calls: "
        f'[prices."{model}".tools] {tools[0]} = "30")'
    )
