"""What Gemini is asked for besides the question, checked as far as that goes without its SDK. Pure.

Names are those of the SDK's `GenerateContentConfig`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

# Tokens for thinking: the least that is not none, the most, whether none is possible.
_BUDGETS = {
    "gemini-2.5-flash-lite": (512, 24_576, True),
    "gemini-2.5-flash": (1, 24_576, True),
    "gemini-2.5-pro": (128, 32_768, False),
}
_AS_IT_LIKES = -1

_ELSEWHERE = {
    "client": "pass api_key= and base_url=; all sessions of a process share a client",
    "system_instruction": "it is the agent's instructions",
    "tools": "functions are those of register_function, others are not taken",
    "tools_max_rounds": "an answer may take 8 requests, whatever the model",
    "automatic_function_calling": "the agent calls the functions",
}


def signs_calls(model: str) -> bool:
    """Whether `model` refuses a call of its own without the signature of the thought behind it: from Gemini 3 on."""
    name = _plain(model)
    generation = re.match(r"gemini-(\d+)", name)
    return int(generation[1]) >= 3 if generation else name.startswith("gemini-")


def generation_options(
    model: str,
    config: Mapping[str, Any] | Any | None,
    thinking_budget: int | None,
    thinking_level: str | None,
    **more: Any,
) -> dict[str, Any]:
    """The fields of the request's configuration that are set. `config`, the SDK's object or a mapping, is what the
    others are put on. Raises :class:`ValueError`."""
    dump = getattr(config, "model_dump", None)
    base = dump(exclude_none=True) if dump is not None else dict(config or {})
    options = base | {name: value for name, value in more.items() if value is not None}
    for name, way_out in _ELSEWHERE.items():
        if name in options:
            raise ValueError(f"gemini.LLM has no argument {name}: {way_out}")
    thinking = _thinking(_plain(model), thinking_budget, thinking_level)
    return options | ({"thinking_config": thinking} if thinking else {})


def complaint(error: ValueError) -> str:
    """The first thing that the SDK's types find wrong, without the value: it may be long."""
    errors = getattr(error, "errors", None)
    if errors is None:
        return str(error)
    first = errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


def _thinking(model: str, budget: int | None, level: str | None) -> dict[str, Any]:
    if budget is not None and level is not None:
        raise ValueError("thinking_budget and thinking_level: one of the two; from Gemini 3 on it is the level")
    if level is not None:
        if re.match(r"gemini-[12]\b", model):
            raise ValueError(f"thinking_level={level!r}: {model} takes thinking_budget")
        return {"thinking_level": level}
    if budget is None:
        return {}
    _check_budget(model, budget)
    return {"thinking_budget": budget}


def _check_budget(model: str, budget: int) -> None:
    least, most, none = next(
        (limits for name, limits in _BUDGETS.items() if re.fullmatch(rf"{re.escape(name)}(-\d+|-preview.*)?", model)),
        (1, None, True),
    )
    if budget == _AS_IT_LIKES or (budget == 0 and none) or (budget >= least and (most is None or budget <= most)):
        return
    nothing = "0 (none), " if none else ""
    bounds = f"{least} to {most}" if most else f"{least} or more"
    raise ValueError(
        f"thinking_budget={budget}: {model} takes {nothing}{_AS_IT_LIKES} (as it likes) or {bounds} tokens"
    )


def _plain(model: str) -> str:
    return model.removeprefix("models/")
