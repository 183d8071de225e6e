"""CEL's libraries, as https://kubernetes.io/docs/reference/using-api/cel/ has them."""

from typing import Any

import pytest
from cel_expr_python import cel

from starlink.apiserver.cel import library
from starlink.apiserver.cel.authorizer import Question, authorizer_value, overloads
from starlink.apiserver.cel.library import Outcome
from starlink.apiserver.cel.opaque import OPAQUE
from starlink.http.message import User

SELF: dict[str, Any] = {"l": [3, 1, 2], "s": "abc", "q": "1Gi", "m": {"x": "y"}, "n": None}


def _authorize(question: Question) -> tuple[bool, str]:
    return question.verb == "get" and question.path in ("", "/ok"), f"asked by {question.user.name}"


ENVIRONMENT = library.environment({"self": cel.Type.DYN, "authorizer": OPAQUE}, overloads(_authorize))
KNOWN = ENVIRONMENT.Activation({"self": SELF, "authorizer": authorizer_value(User("jane", ("g",), "u"))})


def run(text: str) -> Outcome:
    return library.evaluate(library.compiled(ENVIRONMENT, text), KNOWN, text)


@pytest.mark.parametrize(
    "text",
    [
        "quantity('1Gi') == quantity('1024Mi')",
        "quantity(self.q).isGreaterThan(quantity('1G'))",
        "quantity('50k').add(20).sub(quantity('100k')).sub(-50000) == quantity('20')",
        "quantity('0.1n').compareTo(quantity('1n')) == 0",
        "!isQuantity('200K') && !isQuantity('1,3G') && isQuantity('1.5E')",
        "!quantity('0.5').isInteger() && quantity('2').asInteger() == 2",
        "sign(quantity('-1')) == -1 && quantity('0').sign() == 0",
        "ip('1.1.1.1').family() == 4 && string(ip('::1')) == '::1'",
        "!isIP('01.1.1.1') && !isIP('fe80::1%eth0') && !ip.isCanonical('2001:DB8::ABCD')",
        "ip('ff02::1').isLinkLocalMulticast() && ip('127.0.0.1').isLoopback()",
        "cidr('10.0.0.1/8').masked() == cidr('10.0.0.0/8') && cidr('10.0.0.1/8').prefixLength() == 8",
        "cidr('192.168.0.0/24').containsIP('192.168.0.1')",
        "cidr('192.168.0.0/24').containsCIDR('192.168.0.128/25')",
        "!cidr('192.168.0.0/24').containsCIDR('192.168.0.0/23') && !isCIDR('10.0.0.0/255.0.0.0')",
        "url('https://a:b@[::1]:80/p?x=1').getHost() == '[::1]:80' && url('https://[::1]:80/').getPort() == '80'",
        "url('https://[::1]:80/').getHostname() == '::1' && url('/path').getScheme() == ''",
        "url('https://e/?k1=a&k2=b&k2=c').getQuery() == {'k1': ['a'], 'k2': ['b', 'c']}",
        "!isURL('https://a:b:c/') && !isURL('../x') && isURL('/absolute')",
        "format.dns1123Label().validate('Bad').hasValue() && !format.dns1123Label().validate('good').hasValue()",
        "!format.named('nope').hasValue() && format.named('uuid').value().validate('x').hasValue()",
        "[1, 2].min() == 1 && ['a', 'b'].max() == 'b' && [1.5, 2.0].sum() == 3.5 && [].sum() == 0",
        "![2, 1].isSorted() && self.l.indexOf(2) == 2 && ['a', 'b', 'a'].lastIndexOf('a') == 2",
        "'abc 123 def 45'.find('([0-9]+)') == '123' && 'a1b2'.findAll('[0-9]', 1) == ['1']",
        "'x'.find('z') == '' && 'abc 12'.findAll('(?P<n>[0-9])([0-9])') == ['12']",
        "self.?missing.orValue('none') == 'none' && self.s.upperAscii() == 'ABC'",
        "{'a': 1}.all(k, v, v > 0) && sets.contains([1, 2], [1]) && math.greatest(1, 2) == 2",
        "cel.bind(x, self.l.size(), x * x) == 9",
        "authorizer.group('apps').resource('deployments').namespace('x').name('n').check('get').allowed()",
        "!authorizer.path('/other').check('get').allowed() && authorizer.path('/ok').check('get').allowed()",
        "authorizer.serviceAccount('ns', 'sa').group('').resource('pods').check('get').reason() "
        "== 'asked by system:serviceaccount:ns:sa'",
    ],
)
def test_it_holds(text: str) -> None:
    assert run(text) == Outcome(True)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("self.none", "no such key: none"),
        ("1 / (self.l[1] - 1) == 0", "division by zero"),
        ("self.l[9] == 0", "index out of bounds: 9"),
        ("quantity('Mi') == quantity('1')", "quantities must match the regular expression"),
        ("quantity('1x') == quantity('1')", "quantities must match the regular expression"),
        ("quantity('200K') == quantity('1')", "unable to parse quantity's suffix"),
        ("ip('::ffff:1.1.1.1').family() == 6", "IPv4-mapped IPv6 address"),
        ("[].min() == 1", "min called on empty list"),
        ("'abc'.find('(') == ''", "error in regular expression"),
        ("ip('1.1.1.1').isGreaterThan(quantity('1'))", "no such overload"),
        ("self.l.all(a, [1, 2].all(b, self.n))", ""),
    ],
)
def test_an_error_is_never_true(text: str, error: str) -> None:
    outcome = run(text)
    assert outcome.value is None and outcome.error and error in outcome.error


def test_what_it_does_not_compile() -> None:
    with pytest.raises(library.BadExpression, match="undeclared reference to 'nothing"):
        library.compiled(ENVIRONMENT, "nothing == 1")
    with pytest.raises(library.BadExpression, match="Syntax error"):
        library.compiled(ENVIRONMENT, "1 +")
    with pytest.raises(library.BadExpression, match="exceeds codepoint limit"):
        library.compiled(ENVIRONMENT, f"'{'a' * 100_001}' == ''")


def test_no_evaluation_runs_for_long() -> None:
    known = ENVIRONMENT.Activation({"self": list(range(300))})
    text = "self.all(a, self.all(b, self.all(c, a + b + c >= 0)))"
    outcome = library.evaluate(library.compiled(ENVIRONMENT, text), known)
    assert outcome == Outcome(error="operation cancelled: actual cost limit exceeded")
