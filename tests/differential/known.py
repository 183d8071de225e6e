"""In what StarLink's API server is known to answer otherwise than Kubernetes 1.32, and why that stays. Pure.

docs/critiques.md says the same to users. An entry that explains nothing any more fails the test, so that the list stays true.
"""

import re
from dataclasses import dataclass

from tests.differential.comparison import Difference
from tests.differential.wire import Ask

_CUSTOM = ("/apis/differential.example.com/", "/apis/starlink.dev/")


@dataclass(frozen=True, slots=True)
class Known:
    """A difference is explained where all patterns are found: in its aspect, its place, what either says, and in the
    request. `custom` asks for kinds of a CRD, or for built-in ones; `refused` for what both refuse.
    What is `rare` is met by other seeds than the usual one."""

    why: str
    aspect: str = ""
    place: str = ""
    here: str = ""
    there: str = ""
    ask: str = ""
    custom: bool | None = None
    refused: bool = False
    rare: bool = False

    def explains(self, ask: Ask, difference: Difference) -> bool:
        if self.refused and not difference.refused:
            return False
        if self.custom is not None and self.custom is not ask.path.startswith(_CUSTOM):
            return False
        told = (
            (self.aspect, difference.aspect),
            (self.place, difference.place),
            (self.here, str(difference.here)),
            (self.there, str(difference.there)),
            (self.ask, str(ask)),
        )
        return all(not pattern or re.search(pattern, text, re.DOTALL) for pattern, text in told)


def explanation(ask: Ask, difference: Difference) -> Known | None:
    """The first entry that explains a difference."""
    return next((known for known in KNOWN if known.explains(ask, difference)), None)


_APPLY = r"\[application/apply-patch\+yaml\]"
_PATCH = r"\[application/(json-patch|merge-patch|strategic-merge-patch)\+json\]"
_JSON_PATCH = r"\[application/json-patch\+json\]"
_NO_REASON = "a 500 for bad input, after which a client would try again, is a 4xx here"
_WIDE = "what is not written is not read, and so not refused"
_OWN_WORDS = "what can't be read is told by its path and in plain words, and not as Go's decoders and types have it"
_HIDDEN = "a stored value is not shown to who may not know it"
_PATCHED = "what a patch makes of a wrong type is refused as the same update would be, field by field"
_STRICT = "what the real server takes for something else than it says is refused"
_WHOLE = "a whole number may be written as 1.0"
_FIRST = "the first of several faults may be another"
_EMPTY = "what Go writes though it is empty is left out, and what was given empty is kept"

KNOWN: tuple[Known, ...] = (
    # Other codes
    Known(_NO_REASON, "code", here="^(4|504)", there="^500"),
    Known(_WIDE, "code", here="^20", there=r"^500 .*typed patch.*: \.(spec|status)", ask=_APPLY),
    Known(
        _WIDE,
        "code",
        here="^200",
        there='^(400 .*cannot be handled|422 Invalid:  "" is invalid: patch)',
        ask="/scale|customresourcedefinitions/.*/status",
    ),
    Known(
        "a Scale that can't be read is told so, and not that its kind is unknown",
        "code",
        there="no kind is registered for the type v1.Scale",
    ),
    Known(
        "a time without six digits of a second is given them",
        "code",
        here="^20",
        there="parsing time",
        ask="leases|events",
    ),
    Known(_WIDE, "code", here="^20", there="^500 .*typed patch.*associative list", ask=_APPLY, rare=True),
    Known(_WHOLE, "code", here="^20", there="^4", ask=r"customresourcedefinitions.*\d\.0\b", rare=True),
    Known(_FIRST, "code", here="^400 .*declared merge key", there="^422", rare=True),
    Known("a Scale is not applied", "code", here="^415", ask=f"/scale.*{_APPLY}"),
    Known(
        _FIRST,
        "code",
        here="^422 .*(0x0: must be specified|immutable)",
        there="^(400|409) .*(cannot be handled|must be a string|invalid object)",
    ),
    Known(
        _FIRST,
        "code",
        here="^(400|406) ",
        there="^(400|406|422) .*(ListOptions|following media|continue|invalid object|PatchOptions)",
    ),
    Known(
        _FIRST,
        "code",
        here=r"^400 .*(name on the URL|sent on the request|must be a string|metadata\.\w+Timestamp|of type (string|object))",
        there="^409 .*Apply failed",
        ask=_APPLY,
    ),
    Known(_FIRST, "code", here="^422 .*name or generateName is required", there="^400 .*cannot be handled", rare=True),
    Known(_FIRST, "code", here="^422 .*Options", there="^415", ask="^POST|^PUT", rare=True),
    Known("the form that is asked for goes before all else", "code", here="^406", there="^(4|200)"),
    Known(
        "what is embedded with a wrong type is refused by the schema, with its field",
        "code",
        here=r"^422 .*must be",
        there=r"^400 .*cannot be handled as",
    ),
    Known(
        "a patch that changes apiVersion or kind, or whose metadata is of a wrong type, is a 400",
        "code",
        here="^400 ",
        there='^422 Invalid:  "" is invalid: patch',
        ask=_PATCH,
    ),
    Known("a kind of a wrong type is told as another kind", "code", here="must be ", there="couldn't get version/kind"),
    Known(
        _STRICT,
        "code",
        here='^4.*(must be an object|stands twice|type \\w+: "(array|null)"|metadata\\.\\w+Timestamp|parsing)',
        there="^20",
    ),
    Known(_STRICT, "code", here=r"^4.*metadata\.finalizers\[\d\]: Invalid value: \"null\"", there="^(20|422)"),
    Known(
        _STRICT,
        "code",
        here="^400 .*(expected <document start>|selector|label not supported: $)",
        there="^20",
        rare=True,
    ),
    Known(
        _STRICT, "code", here="^400 .*(is not the .* of this URL|apiVersion, kind)", there="^200", ask=_PATCH, rare=True
    ),
    Known(_STRICT, "code", here="^422 .*in body must be of type integer", there="^200", ask=r'"\$patch"', rare=True),
    Known(
        "a name has at most 253 characters",
        "code",
        here="^422 .*must be no more than 253",
        there="^20",
        ask="/events",
        rare=True,
    ),
    Known(_STRICT, "code", here="^422 .*standard finalizer", there="^20", ask="leases|events"),
    Known(
        _STRICT, "code", here=r"^422 .*metadata\.generateName", there="^(20|409 AlreadyExists)", custom=False, rare=True
    ),
    Known(_STRICT, "code", here="^(400|422) ", there="^(400|422) .*(valid JSON object|JSONSchemaProps|name part must)"),
    Known(_FIRST, "code", here="^400 .*field (selector|label)", there="^406"),
    Known("a namespace that is emptied first is answered with a 200", "code", there="^202$"),
    Known(_HIDDEN, "warning", here="absent", ask=_JSON_PATCH),
    Known(
        "who is refused is told all warnings",
        "warning",
        there="absent",
        here="finalizer|json patch|duplicate field|unknown field",
        refused=True,
    ),
    Known(
        "who names another object than that of the URL, or none, is told that alone",
        "warning",
        here="absent",
        refused=True,
        ask="^(PUT|PATCH) .*",
    ),
    Known(
        "what is free or unknown is looked through too",
        "warning",
        there="absent",
        here=r'"data\.|additionalProperties\.|duplicate field ".*Unknown"',
        rare=True,
    ),
    Known(_STRICT, "code", here="^400 .*(must be an object|JSON object|not declared)", there="^422 "),
    Known(_STRICT, "code", here="^422 .*DeleteOptions", there="^(200|404)", ask="DELETE"),
    Known("what makes the real server fail without an answer is answered", "code", there="^0"),
    Known(
        "a query of a DELETE counts also where it has a body",
        "body",
        ask="DELETE .*(orphanDependents=(true|x)|propagationPolicy=(Orphan|Foreground)).*{",
    ),
    Known(
        "a query of a DELETE counts also where it has a body",
        "cause",
        place="^(propagationPolicy|dryRun)$",
        there=r"^\[\]",
        ask="DELETE .*=.*{",
        rare=True,
    ),
    Known("stringData stays the field of who wrote it", "code", here="^409 .*stringData"),
    Known(_WIDE, "code", here="^20", there="^(400 .*undeterminable|500 .*(json field|data type is not struct))"),
    Known("a status owns nothing of the metadata", "code", there="^409 .*conflict", ask="/status"),
    Known("selectable fields are looked at once the schema is right", "cause", place="selectableFields"),
    # Words
    Known(
        _OWN_WORDS,
        "words",
        place="^$",
        here="cannot be handled as|patch is not JSON|body of the request|continue key|whole number|you requested|unable to parse requirement|does not match the|field selector|invalid selector|undeterminable|field label|error decoding YAML|Object '|must be (an|a) |neither|no .* of this URL",
    ),
    Known(_OWN_WORDS, "words", place="^$", here="(recondition|: .*(decod|typed|patch))"),
    Known(_HIDDEN, "words", here="can't be patched so"),
    Known("the option that is no number is named", "words", here="^(limit|timeoutSeconds|gracePeriodSeconds): strconv"),
    Known(_HIDDEN, place="patch", here="not shown|secret contents"),
    Known(_HIDDEN, "words", here="not shown|^(Invalid value|Unsupported value|Duplicate value|Forbidden)$"),
    Known(_HIDDEN, "cause", here="Invalid value'|Unsupported value'|not shown"),
    Known(
        "of StarLink's kinds what would be right is told",
        "words",
        ask="/apis/starlink.dev/",
        here=r"\(.*\)|write|in body must be",
        there="should match|must be",
    ),
    Known(
        "a number of replicas is told what it must be", "words", place=r"^\.?spec\.replicas$", here="must be an integer"
    ),
    Known(
        "values are shown as JSON, and not as Go writes its structures",
        there=r"(\w+\.\w+\{|map\[|\[\]string\{|0xc?00|\[\]interface|\+0000 UTC)",
    ),
    Known(
        "a rule's refusal shows the value",
        "words",
        there='Invalid value: "(object|string|integer|array|number|boolean)": ',
    ),
    Known(
        "a field of a built-in kind that is absent is told as required", "words", here="^Required value$", custom=False
    ),
    Known(
        "a field of a built-in kind that is absent is told as required",
        "cause",
        place="^(roleRef|subjects|rules|involvedObject|regarding|endpoints|addressType|data$|spec.versions|status.storedV)",
        custom=False,
    ),
    Known(
        "the order of the values that would do is the schema's",
        "words",
        here="supported values",
        there="supported values",
        custom=False,
    ),
    Known(_PATCHED, "cause", ask=_PATCH, there="Invalid value: "),
    Known(_PATCHED, "cause", ask=_PATCH, here="Invalid value|Required value"),
    Known(_PATCHED, "body", place=r"details\.(kind|name|group)", ask=_PATCH),
    Known(
        "an Event of events.k8s.io is told with its group", "body", place=r"details\.(kind|group)", ask="events.k8s.io"
    ),
    Known(
        "an Event that says nothing is not told all that it lacks",
        "cause",
        place="^(eventTime|type|reason|action|reporting.*)$",
        ask="events.k8s.io",
    ),
    Known(
        "a time or address of a wrong type is told the type",
        "words",
        there="of type (date|date-time|ipv4|byte|duration): ",
        custom=True,
    ),
    Known(
        "of several faults of a list, or of options, the first are told",
        "cause",
        here=r"^\[\]|Duplicate",
        ask="gauges|tasks|propagationPolicy",
    ),
    Known(
        "a CRD of another name than its kinds' is told so in an update too",
        "cause",
        place=r"metadata\.name",
        ask="customresourcedefinitions",
    ),
    Known(
        "a printer column's or a scale's fault is told as its version's",
        "cause",
        place="additionalPrinterColumns|subresources.scale",
        rare=True,
    ),
    Known(
        "an int32 that is too large is told so, and not taken for another number",
        "cause",
        place="<nil>|Seconds$",
        custom=False,
        ask=_APPLY,
        rare=True,
    ),
    Known(
        "a text that is too long is told its pattern too",
        "cause",
        here="should match|in body must be a",
        there=r"^\[\]$",
        custom=True,
        rare=True,
    ),
    Known("an entry of a map is told in brackets", "cause", here=r"serverSelector\[", custom=True, rare=True),
    Known(
        "what an embedded object lacks is told",
        "cause",
        place=r"spec\.inner\.metadata",
        here="of type object",
        rare=True,
    ),
    Known("who gives no name is told that alone", "cause", place="<nil>", there="not checked", ask="^POST", rare=True),
    Known(
        "a large number is a multiple of a fraction", "cause", place=r"spec\.ratio", there="a multiple of", rare=True
    ),
    # Answers
    Known(
        "each object of a list says its kind, so that it can be used by itself",
        "body",
        place=r"(items|object).*\.(kind|apiVersion)$",
        there="absent",
        custom=False,
    ),
    Known(
        "managedFields of built-in kinds name each level and default that a writer gave",
        "body",
        place="managedFields",
        custom=False,
    ),
    Known(
        "managedFields of built-in kinds name each level and default that a writer gave",
        "cause",
        place=r"^\.(stringData|data)",
        custom=False,
    ),
    Known(
        "managedFields of who wrote what can't be typed are kept",
        "body",
        place=r"managedFields(\[0\]\.fieldsV1\.f:(spec|status)|\[\d\]\.apiVersion)?$",
        custom=True,
    ),
    Known(
        "managedFields of who wrote what can't be typed are kept",
        "body",
        place=r"metadata\.resourceVersion",
        here="as before",
        there="another",
    ),
    Known(
        "managedFields that are to be forgotten are, also when nothing else changes",
        "body",
        place=r"metadata\.resourceVersion",
        here="another",
        ask=r'"managedFields": \[(\{\})?\]',
        rare=True,
    ),
    Known(_WHOLE, "body", place=r"metadata\.generation", ask=r"\d\.0\b", custom=True, rare=True),
    Known("a status owns nothing of the metadata", "body", place=r"managedFields", ask="/status"),
    Known(_EMPTY, "body", here=r"^(\[\]|\{\})$", there="^None$"),
    Known(
        "a CRD that is made in a dry run has no status",
        "body",
        place="^status$",
        ask="POST .*customresourcedefinitions",
    ),
    Known(
        "a new metadata.selfLink or deletionTimestamp is dropped in a dry run too",
        "body",
        place=r"metadata\.(selfLink|deletionTimestamp|deletionGracePeriodSeconds)",
        ask="dryRun=All",
    ),
    Known(_STRICT, "code", here="^400 .*stands twice", there="^(409|422)"),
    Known(_STRICT, "code", here="^422 .*must be object or array", there="^20"),
    Known(_OWN_WORDS, "words", place=r"metadata\.labels", here="valid label", there="name part"),
    Known(_EMPTY, "body", here="absent", there=r"^(None|\{\}|\[\]|)$"),
    Known(_EMPTY, "body", here=r"^(None|\{\}|\[\]|)$", there="absent"),
    Known(
        "an object that is deleted is answered with a Status, also of a ServiceAccount",
        "body",
        ask="DELETE.*serviceaccounts",
    ),
    Known(
        "metadata.generation is kept only where something counts it",
        "body",
        place=r"metadata\.generation$",
        custom=False,
    ),
    Known(
        "metadata.generation is kept only where something counts it",
        "code",
        there=r"metadata\.generation: Invalid value",
    ),
    Known("an answer to a write is the object, whatever form is asked for", "body", ask="as=(Table|Partial)"),
    Known(
        "a CRD has its finalizer from the beginning",
        "body",
        place=r"metadata\.finalizers",
        ask="customresourcedefinitions",
    ),
    Known("unknown fields of a Scale are passed over", "warning", ask="/scale"),
    Known(
        "a resourceVersion on a new object is dropped in a dry run too",
        "body",
        ask="POST|PATCH",
        place=r"metadata\.resourceVersion",
        here="absent",
    ),
)
