"""What of two answers counts as the same."""

from typing import Any

import pytest
from tests.differential.comparison import compare, normal
from tests.differential.known import Known
from tests.differential.wire import Answer, Ask

ASK = Ask("GET", "/api/v1/namespaces/x/configmaps/a")
HERE, THERE = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"


def made(uid: str, version: str, **meta: Any) -> Answer:
    body = {"kind": "ConfigMap", "metadata": {"name": "a", "uid": uid, "resourceVersion": version, **meta}}
    return Answer(200, "application/json", (), body, frozenset({uid}), (version, version))


def refused(
    code: int = 422, message: str = "no", causes: tuple[tuple[str, str, str], ...] = (), **parts: Any
) -> Answer:
    listed = [{"field": field, "reason": reason, "message": told} for field, reason, told in causes]
    details = {"details": {"causes": listed}} if listed else {}
    return Answer(code, "application/json", (), {"kind": "Status", "message": message, **details, **parts})


def aspects(here: Answer, there: Answer) -> list[tuple[str, str]]:
    return [(one.aspect, one.place) for one in compare(ASK, here, there)]


def test_what_each_server_makes_for_itself_is_the_same() -> None:
    here = made(HERE, "5", creationTimestamp="2026-01-01T00:00:00Z", managedFields=[{"manager": "m", "time": "a"}])
    there = made(THERE, "77", creationTimestamp="2026-01-01T00:00:01Z", managedFields=[{"manager": "m", "time": "b"}])
    assert aspects(here, there) == []


@pytest.mark.parametrize(
    "meta", [{"labels": {"a": "b"}}, {"generation": 2}, {"managedFields": [{"manager": "n"}]}, {"namespace": HERE}]
)
def test_what_else_is_in_the_metadata_is_not(meta: dict[str, Any]) -> None:
    (difference,) = compare(ASK, made(HERE, "5"), made(THERE, "77", **meta))
    assert (difference.aspect, difference.place) == ("body", f"metadata.{next(iter(meta))}")


def test_whether_a_write_made_a_new_version_is_looked_at() -> None:
    same = Answer(200, "application/json", (), made(HERE, "5").body, frozenset(), ("5", "5"))
    other = Answer(200, "application/json", (), made(HERE, "6").body, frozenset(), ("5", "6"))
    assert aspects(same, other) == [("body", "metadata.resourceVersion")]


def test_a_name_that_the_server_made_is_the_same() -> None:
    here, there = made(HERE, "5", generateName="g-"), made(THERE, "5", generateName="g-")
    here.body["metadata"]["name"], there.body["metadata"]["name"] = "g-abcde", "g-fghij"
    assert aspects(here, there) == []
    there.body["metadata"]["name"] = "h-fghij"
    assert aspects(here, there) == [("body", "metadata.name")]


def test_a_uid_in_words_is_the_same() -> None:
    here, there = refused(409, f"not {HERE}"), refused(409, f"not {THERE}")
    ours = Answer(here.code, here.media, (), here.body, frozenset({HERE}))
    theirs = Answer(there.code, there.media, (), there.body, frozenset({THERE}))
    assert normal(ours).body["message"] == "not <uid>"
    assert aspects(ours, theirs) == []
    assert aspects(here, there) == [("words", "")]


def test_codes_go_before_all_else() -> None:
    (difference,) = compare(ASK, refused(400, "a", reason="BadRequest"), refused(422, "b", reason="Invalid"))
    assert difference.aspect == "code"
    assert (difference.here, difference.there) == ("400 BadRequest: a", "422 Invalid: b")


def test_causes_are_told_by_field_and_reason() -> None:
    here = refused(causes=(("a", "R", "x"), ("b", "R", "same")))
    there = refused(causes=(("b", "R", "same"), ("b", "R", "same"), ("a", "R", "y"), ("c", "S", "z")))
    assert aspects(here, there) == [("words", "a"), ("cause", "c")]


def test_reasons_words_and_warnings_are_compared() -> None:
    assert aspects(refused(reason="A"), refused(reason="B")) == [("reason", "")]
    assert aspects(refused(message="a"), refused(message="b")) == [("words", "")]
    warned = Answer(200, "application/json", ("w",), {})
    assert aspects(warned, Answer(200, "application/json", (), {})) == [("warning", "")]
    assert aspects(Answer(404, "text/plain", (), "x"), refused(404)) == [("media", "")]


def test_a_table_is_without_ages_and_descriptions() -> None:
    def table(age: str, words: str, name: str = "a") -> Answer:
        columns = [{"name": "Name", "type": "string", "description": words}, {"name": "Age", "type": "date"}]
        rows = [{"cells": [name, age], "object": {"metadata": {"name": name, "uid": age}}}]
        return Answer(200, "application/json", (), {"kind": "Table", "columnDefinitions": columns, "rows": rows})

    assert aspects(table("1s", "a"), table("2s", "b")) == []
    assert aspects(table("1s", "a"), table("1s", "a", "b")) == [
        ("body", "rows[0].cells[0]"),
        ("body", "rows[0].object.metadata.name"),
    ]


def test_a_definition_is_without_the_times_of_its_conditions() -> None:
    def definition(time: str, status: str) -> Answer:
        conditions = [{"type": "Established", "status": status, "lastTransitionTime": time}]
        kind = "CustomResourceDefinition"
        body = {"kind": kind, "metadata": {"name": "a"}, "status": {"conditions": conditions}}
        return Answer(200, "application/json", (), body)

    assert aspects(definition("a", "True"), definition("b", "True")) == []
    assert aspects(definition("a", "True"), definition("b", "False")) == [("body", "status.conditions[0].status")]


def test_what_is_known_of_refusals_explains_no_answers() -> None:
    known = Known("why", "warning", refused=True)
    (told,) = compare(ASK, Answer(200, "", ("w",), {}), Answer(200, "", (), {}))
    assert not known.explains(ASK, told)
    (told,) = compare(ASK, Answer(422, "", ("w",), {}), Answer(422, "", (), {}))
    assert known.explains(ASK, told)


def test_a_known_difference_asks_for_all_its_patterns() -> None:
    (difference,) = compare(ASK, refused(400, "a"), refused(500, "b"))
    assert Known("why", "code", here="^4", there="^500").explains(ASK, difference)
    assert Known("why", ask="configmaps", custom=False).explains(ASK, difference)
    for other in (
        Known("why", "words"),
        Known("why", here="^5"),
        Known("why", there="^4"),
        Known("why", ask="secrets"),
        Known("why", place="x"),
        Known("why", custom=True),
    ):
        assert not other.explains(ASK, difference)
