"""The language of an answer: the user's, else what the browser asks for, else English."""

from __future__ import annotations

from taskserver.texts import LANGUAGES


def wanted_language(setting: str | None, accept_language: str) -> str:
    """One of LANGUAGES. `accept_language` is the header, such as `de-AT,de;q=0.9,en;q=0.5`."""
    if setting in LANGUAGES:
        return str(setting)
    best, language = 0.0, LANGUAGES[0]
    for part in accept_language[:500].split(","):
        tag, _, parameters = part.strip().partition(";")
        name = tag.strip().lower().partition("-")[0]
        weight = _weight(parameters)
        if name in LANGUAGES and weight > best:
            best, language = weight, name
    return language


def _weight(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        weight = float(value)
    except ValueError:
        return 0.0
    return weight if 0 <= weight <= 1 else 0.0
