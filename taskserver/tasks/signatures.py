"""What a task function's parameters say: the context, the arguments, the rest.

The decorator looks here when a function is declared, so that what can't be called by name is refused at once;
the arguments' types are looked at later.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from taskserver.tasks.context import Context
from taskserver.tasks.errors import InvalidTask
from taskserver.texts import mark

_CONTEXT_NAMES = ("ctx", "context")


def takes_context(function: Callable[..., Any]) -> bool:
    """Whether the first parameter is the Context: annotated so, or bare and called ctx or context."""
    parameters = list(inspect.signature(function).parameters.values())
    if not parameters or parameters[0].kind in (parameters[0].VAR_KEYWORD, parameters[0].KEYWORD_ONLY):
        return False
    annotation = parameters[0].annotation
    if annotation is inspect.Parameter.empty:
        return parameters[0].name in _CONTEXT_NAMES
    if isinstance(annotation, str):
        return _names_context(annotation, inspect.unwrap(function))
    return isinstance(annotation, type) and issubclass(annotation, Context)


def _names_context(annotation: str, function: Callable[..., Any]) -> bool:
    words = annotation.strip("'\" ")
    found: Any = getattr(function, "__globals__", {}).get(words.partition(".")[0])
    for name in words.split(".")[1:]:
        found = getattr(found, name, None)
    if isinstance(found, type):
        return issubclass(found, Context)
    return words.rpartition(".")[2] == "Context"  # imported for type checkers alone


def arguments_of(function: Callable[..., Any]) -> tuple[dict[str, inspect.Parameter], inspect.Parameter | None]:
    """The parameters that are arguments of the task, by name, and the `**` parameter if there is one."""
    parameters = list(inspect.signature(function).parameters.values())
    if takes_context(function):
        parameters = parameters[1:]
    named = {p.name: p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    rest = next((p for p in parameters if p.kind is p.VAR_KEYWORD), None)
    return named, rest


def check_callable(name: str, function: Callable[..., Any]) -> None:
    """Raises InvalidTask for a function whose arguments can't be given by name, or that would do nothing."""
    if not inspect.isfunction(function):
        raise InvalidTask(name, mark("@task stands before a function, not {thing!r}"), thing=function)
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise InvalidTask(
            name, mark("{function} is a generator: calling it does nothing"), function=function.__name__
        )
    parameters = list(inspect.signature(function).parameters.values())
    for parameter in parameters[1:] if takes_context(function) else parameters:
        if parameter.kind is parameter.POSITIONAL_ONLY:
            reason = mark("argument {argument} is positional only; arguments are given by name: remove the '/'")
            raise InvalidTask(name, reason, argument=parameter.name)
        if parameter.kind is parameter.VAR_POSITIONAL:
            reason = mark("*{argument} can't be given by name: use a list argument")
            raise InvalidTask(name, reason, argument=parameter.name)
