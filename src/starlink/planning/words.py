"""Numbers in sentences."""

import re

_NUMBER = re.compile(r"(?<![\w.-])\d[\w.]*")


def counted(number: int, noun: str) -> str:
    """`1 instance`, `2 instances`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def share(number: int, total: int, noun: str) -> str:
    """`1 of 3 instances is`, `2 of 3 instances are`, `0 of 1 instance is`: what they are comes after."""
    return f"{number} of {counted(total, noun)} {is_or_are(1 if total == 1 else number)}"


def is_or_are(number: int) -> str:
    """The verb for so many."""
    return "is" if number == 1 else "are"


def without_numbers(text: str) -> str:
    """The text without its numbers and amounts, such as 4, 0.5 and 500m; those in names, such as web-1, stay."""
    return _NUMBER.sub("", text)
