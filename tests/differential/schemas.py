"""CustomResourceDefinitions with rules of every shape, over schemas with and without bounds. Pure: a number gives one."""

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Obj = dict[str, Any]

DEEPEST = 3
_FORMATS = (
    "",
    "",
    "",
    "date",
    "date-time",
    "duration",
    "uuid",
    "ipv4",
    "ipv6",
    "byte",
    "cidr",
    "uri",
    "email",
    "password",
)
_BOUNDS = (1, 10, 100, 1_000, 100_000)

_STRING = (
    "{}.size() < 10", "{}.matches('^[a-z]+$')", "{}.matches('a*b*c*')", "{}.contains('abc')", "{}.startsWith('a')", "{} == 'a'", "{} != ''",
    "{} in ['a', 'b', 'c']", "{}.lowerAscii() == 'a'", "{}.split(',').size() < 3", "{}.split(',').all(p, p.size() < 5)", "{}.replace('a', 'bb') != ''",
    "{}.find('[0-9]+') != ''", "{}.findAll('[a-z]').size() > 1", "{}.substring(0, 1) == 'a'", "{}.indexOf('x') < 0", "{}.trim() == {}", "isURL({})",
    "!isQuantity({}) || quantity({}).isGreaterThan(quantity('1'))", "{}.charAt(0) == 'a'", "isIP({})", "('x' + {}).size() < 9", "{} + {} != 'aa'", "int({}) > 1", "{} > 'a' && {} < 'z'",
    "!format.dns1123Label().validate({}).hasValue()",
)  # fmt: skip
_NUMBER = (
    "{} > 0",
    "{} % 2 == 0",
    "{} in [1, 2, 3]",
    "string({}) != ''",
    "{} + 1 < 100 || {} - 1 > 1",
    "double({}) < 1.5",
)
_FRACTION = ("{} > 0.5", "{} * 2.0 < 9.0", "string({}) != ''", "int({}) < 3")
_FLAG = ("{}", "!{} || {}", "{} == true", "string({}) == 'true'")
_OWN = "self"
_TEXTS: Mapping[str, Sequence[str]] = {
    "string": ("'bad: ' + {}", "'%s is bad'.format([{}])", "{}.size() > 3 ? 'long' : {}", "{}.upperAscii()"),
    "integer": ("'bad: ' + string({})", "'%d is bad'.format([{}])"),
    "number": ("'bad: ' + string({})",),
    "boolean": ("{} ? 'on' : 'off'", "string({})"),
    "array": ("'so many: ' + string({}.size())", "{}.map(x, string(x)).join(', ')", "'%s'.format([{}])"),
    "map": ("'so many: ' + string({}.size())", "{}.map(k, k).join(', ')", "{}.filter(k, k != 'a').join(' ')"),
    "object": ("'no'", "'an object: ' + string(has({}.a))"),
}  # fmt: skip


class Writer:
    """Writes schemas, and rules about them."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._names = 0

    def schema(self, depth: int = 0) -> Obj:
        kinds = ("string", "string", "integer", "number", "boolean", "array", "array", "map", "map", "object")
        kind = self._rng.choice(kinds if depth < DEEPEST else kinds[:5])
        if depth == 0:
            kind = self._rng.choice(("array", "map", "object", "object", "string"))
        made: Obj = getattr(self, f"_{kind}")(depth)
        if self._rng.random() < (0.6 if depth < 2 else 0.2):
            made["x-kubernetes-validations"] = [self._rule(made) for _ in range(self._rng.choice((1, 1, 2)))]
        return made

    def _bound(self, made: Obj, keyword: str, chance: float = 0.6) -> None:
        if self._rng.random() < chance:
            made[keyword] = self._rng.choice(_BOUNDS)

    def _string(self, _depth: int) -> Obj:
        made: Obj = {"type": "string"}
        if form := self._rng.choice(_FORMATS):
            made["format"] = form
        if self._rng.random() < 0.15:
            made["enum"] = ["a", "bb", "a longer value"]
        self._bound(made, "maxLength")
        return made

    def _integer(self, _depth: int) -> Obj:
        return {"type": "integer", **({"maximum": 100} if self._rng.random() < 0.3 else {})}

    def _number(self, _depth: int) -> Obj:
        return {"type": "number"}

    def _boolean(self, _depth: int) -> Obj:
        return {"type": "boolean"}

    def _array(self, depth: int) -> Obj:
        made: Obj = {"type": "array", "items": self.schema(depth + 1)}
        self._bound(made, "maxItems")
        if made["items"]["type"] in ("string", "integer") and self._rng.random() < 0.3:
            made["x-kubernetes-list-type"] = "set"
        return made

    def _map(self, depth: int) -> Obj:
        made: Obj = {"type": "object", "additionalProperties": self.schema(depth + 1)}
        self._bound(made, "maxProperties")
        return made

    def _object(self, depth: int) -> Obj:
        names = ("a", "b", "c")[: self._rng.choice((1, 2, 3))]
        made: Obj = {"type": "object", "properties": {name: self.schema(depth + 1) for name in names}}
        if self._rng.random() < 0.5:
            made["required"] = [names[0]]
        return made

    def _rule(self, schema: Obj) -> Obj:
        rule: Obj = {"rule": self._expression(schema, _OWN, 0)}
        turn = self._rng.random()
        if turn < 0.12:
            rule["rule"] = "self == oldSelf"
        elif turn < 0.2:
            rule |= {"rule": "!oldSelf.hasValue() || self == oldSelf.value()", "optionalOldSelf": True}
        if self._rng.random() < 0.35:
            rule["messageExpression"] = self._one(_texts(schema), _OWN)
        if self._rng.random() < 0.2:
            rule["message"] = "it must be so"
        if self._rng.random() < 0.1:
            rule["reason"] = self._rng.choice(("FieldValueForbidden", "FieldValueDuplicate", "FieldValueRequired"))
        return rule

    def _expression(self, schema: Obj, value: str, depth: int) -> str:
        """A boolean expression about a value."""
        write: Callable[[Obj, str, int], str] = getattr(self, f"_of_{_kind(schema)}")
        made = write(schema, value, depth)
        if depth == 0 and self._rng.random() < 0.15:
            made = f"{made} || {write(schema, value, depth)}"
        return made

    def _one(self, templates: Sequence[str], value: str) -> str:
        return self._rng.choice(templates).replace("{}", value)

    def _of_string(self, schema: Obj, value: str, _depth: int) -> str:
        if schema.get("format") == "byte":
            return f"{value}.size() < 9"
        if schema.get("format") in ("date", "date-time"):
            return f"{value} > timestamp('2020-01-01T00:00:00Z')"
        if schema.get("format") == "duration":
            return f"{value} < duration('1h')"
        return self._one(_STRING, value)

    def _of_integer(self, _schema: Obj, value: str, _depth: int) -> str:
        return self._one(_NUMBER, value)

    def _of_number(self, _schema: Obj, value: str, _depth: int) -> str:
        return self._one(_FRACTION, value)

    def _of_boolean(self, _schema: Obj, value: str, _depth: int) -> str:
        return self._one(_FLAG, value)

    def _name(self) -> str:
        self._names += 1
        return f"x{self._names}"

    def _of_array(self, schema: Obj, value: str, depth: int) -> str:
        name = self._name()
        within = self._expression(schema["items"], name, depth + 1)
        shapes = [
            f"{value}.all({name}, {within})", f"{value}.exists({name}, {within})", f"{value}.exists_one({name}, {within})",
            f"{value}.filter({name}, {within}).size() < 3", f"{value}.map({name}, {within}).size() < 3", f"{value}.size() < 3", f"size({value}) > 0",
            f"{value}.all({name}, {value}.exists_one({name}o, {name} == {name}o))", f"{value} == {value}",
        ]  # fmt: skip
        if _kind(schema["items"]) in ("integer", "number"):
            shapes += [f"{value}.sum() < 9{'.0' if _kind(schema['items']) == 'number' else ''}", f"{value}.isSorted()"]
        if _kind(schema["items"]) == "string" and "format" not in schema["items"]:
            shapes += [
                f"'a' in {value}",
                f"{value}.join(',') != ''",
                f"{value}.isSorted()",
                f"{value}.indexOf('a') < 0",
            ]
        return self._rng.choice(shapes)

    def _of_map(self, schema: Obj, value: str, depth: int) -> str:
        name = self._name()
        within = self._expression(schema["additionalProperties"], f"{value}[{name}]", depth + 1)
        return self._rng.choice(
            (
                f"{value}.all({name}, {within})", f"{value}.all({name}, {name}.size() < 9)", f"{value}.exists({name}, {name} == 'a')", f"'a' in {value}",
                f"{value}.size() < 3", f"{value}.filter({name}, {within}).size() < 3", f"{value}.all({name}, {name}.matches('^[a-z]+$') && {within})",
                f"{value}.map({name}, {name} + 'x').size() > 0",
            )
        )  # fmt: skip

    def _of_object(self, schema: Obj, value: str, depth: int) -> str:
        name = self._rng.choice(sorted(schema["properties"]))
        part = schema["properties"][name]
        made = self._expression(part, f"{value}.{name}", depth + 1)
        if name in schema.get("required", ()):
            return made
        return f"!has({value}.{name}) || {made}" if self._rng.random() < 0.7 else f"has({value}.{name}) ? {made} : true"


def _texts(schema: Obj) -> Sequence[str]:
    """Expressions for a message: but for text of the maps in a list, which compiles on StarLink alone."""
    fits = _kind(schema) != "array" or _kind(schema["items"]) != "map"
    return [text for text in _TEXTS[_kind(schema)] if fits or "string(x)" not in text]


def _kind(schema: Obj) -> str:
    return "map" if "additionalProperties" in schema else str(schema["type"])


def definition(seed: int, number: int) -> Obj:
    """The CRD of a number."""
    writer = Writer(random.Random(f"{seed}/schema/{number}"))
    spec = writer.schema()
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "rules.costs.example.com"},
        "spec": {
            "group": "costs.example.com",
            "scope": "Namespaced",
            "names": {"plural": "rules", "singular": "rule", "kind": "Rule", "listKind": "RuleList"},
            "versions": [
                {
                    "name": "v1", "served": True, "storage": True,
                    "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}},
                }
            ],
        },
    }  # fmt: skip
