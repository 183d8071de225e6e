"""Warnings as a header says them. Pure.

https://github.com/kubernetes/apiserver/blob/master/pkg/endpoints/filters/warning.go
"""

from collections.abc import Iterator, Sequence

MAX_WARNINGS = 4 * 1024
"""Characters of all warnings together."""

MAX_WARNING = 256
"""Characters of one of many."""


def header(warnings: Sequence[str]) -> dict[str, str]:
    """The header of the warnings, as far as it takes them; none where there are none."""
    told = ", ".join(f'299 - "{_quoted(text)}"' for text in _short(warnings))
    return {"warning": told} if told else {}


def _short(warnings: Sequence[str]) -> Iterator[str]:
    left = MAX_WARNINGS
    for text in warnings:
        if len(text) > MAX_WARNING and sum(map(len, warnings)) > MAX_WARNINGS:
            text = text[:MAX_WARNING]
        left -= len(text)
        if left < 0:
            return
        yield text


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
