"""The forms that names, labels and keys have, and the real server's words for what does not have them. Pure.

https://github.com/kubernetes/apimachinery/blob/release-1.32/pkg/util/validation/validation.go
"""

import re
from functools import lru_cache

_LABEL_FORM = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN_FORM = rf"{_LABEL_FORM}(\.{_LABEL_FORM})*"
_PART_FORM = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_KEY_FORM = "[-._a-zA-Z0-9]+"
_LABEL, _SUBDOMAIN, _PART, _KEY = map(re.compile, (_LABEL_FORM, _SUBDOMAIN_FORM, _PART_FORM, _KEY_FORM))
LONGEST_NAME = 253
LONGEST_PART = 63
_LONGEST_KEY = LONGEST_NAME + 1 + LONGEST_PART


def _rule(text: str, form: str, *examples: str) -> str:
    listed = " or ".join(f"'{example}', " for example in examples)
    return f"{text} (e.g. {listed}regex used for validation is '{form}')"


SUBDOMAIN_RULE = _rule(
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
    "and end with an alphanumeric character",
    _SUBDOMAIN_FORM,
    "example.com",
)
LABEL_RULE = _rule(
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
    "with an alphanumeric character",
    _LABEL_FORM,
    "my-name",
    "123-abc",
)
_PART_RULE = _rule(
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
    _PART_FORM,
    "MyName",
    "my.name",
    "123-abc",
)
_VALUE_RULE = _rule(
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character",
    f"({_PART_FORM})?",
    "MyValue",
    "my_value",
    "12345",
)
_KEY_RULE = _rule(
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
    _KEY_FORM,
    "key.name",
    "KEY_NAME",
    "key-name",
)


def is_subdomain(name: str) -> bool:
    return len(name) <= LONGEST_NAME and _SUBDOMAIN.fullmatch(name) is not None


def is_label(name: str) -> bool:
    return len(name) <= LONGEST_PART and _LABEL.fullmatch(name) is not None


def is_path_segment(name: str) -> bool:
    return 0 < len(name) <= LONGEST_NAME and name not in (".", "..") and "/" not in name and "%" not in name


# Answers are kept for what is short: what is too long is wrong, and a stranger has megabytes of it.


def is_qualified(key: str) -> bool:
    """Whether it is what labels, annotations and finalizers are called: a name with an optional DNS prefix."""
    return len(key) <= _LONGEST_KEY and _is_qualified(key)


def is_label_value(value: str) -> bool:
    return len(value) <= LONGEST_PART and _is_label_value(value)


def is_config_key(key: str) -> bool:
    return len(key) <= LONGEST_NAME and _is_config_key(key)


@lru_cache(4096)
def _is_qualified(key: str) -> bool:
    return not qualified_faults(key)


@lru_cache(4096)
def _is_label_value(value: str) -> bool:
    return not label_value_faults(value)


@lru_cache(4096)
def _is_config_key(key: str) -> bool:
    return not config_key_faults(key)


def subdomain_faults(name: str) -> list[str]:
    faults = _too_long(name, LONGEST_NAME)
    return faults if _SUBDOMAIN.fullmatch(name) else [*faults, SUBDOMAIN_RULE]


def label_faults(name: str) -> list[str]:
    faults = _too_long(name, LONGEST_PART)
    if _LABEL.fullmatch(name):
        return faults
    return [*faults, "must not contain dots" if _SUBDOMAIN.fullmatch(name) else LABEL_RULE]


def path_segment_faults(name: str) -> list[str]:
    if name in (".", ".."):
        return [f"may not be '{name}'"]
    return _too_long(name, LONGEST_NAME) + [f"may not contain '{one}'" for one in ("/", "%") if one in name]


def qualified_faults(key: str) -> list[str]:
    parts = key.split("/")
    if len(parts) > 2:
        return [
            f"a qualified name {_PART_RULE} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        ]
    *prefixes, name = parts
    faults = [f"prefix part {why}" for prefix in prefixes for why in _prefix_faults(prefix)]
    faults += [f"name part {why}" for why in (_too_long(name, LONGEST_PART) if name else ["must be non-empty"])]
    return faults if _PART.fullmatch(name) else [*faults, f"name part {_PART_RULE}"]


def _prefix_faults(prefix: str) -> list[str]:
    return subdomain_faults(prefix) if prefix else ["must be non-empty"]


def label_value_faults(value: str) -> list[str]:
    faults = _too_long(value, LONGEST_PART)
    return faults if not value or _PART.fullmatch(value) else [*faults, _VALUE_RULE]


def config_key_faults(key: str) -> list[str]:
    """Of keys of ConfigMaps and Secrets, which become files."""
    faults = _too_long(key, LONGEST_NAME)
    if not _KEY.fullmatch(key):
        faults.append(_KEY_RULE)
    if key in (".", ".."):
        faults.append(f"must not be '{key}'")
    elif key.startswith(".."):
        faults.append("must not start with '..'")
    return faults


def _too_long(text: str, most: int) -> list[str]:
    return [f"must be no more than {most} characters"] if len(text) > most else []
