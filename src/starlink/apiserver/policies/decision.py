"""What a policy decides on one request. Pure.

Source: https://github.com/kubernetes/apiserver/blob/master/pkg/admission/plugin/policy/validating/validator.go
"""

from collections.abc import Iterator
from dataclasses import dataclass

from starlink.apiserver.policies.program import Program, Run, Validation

MAX_MESSAGE = 5 * 1024
MAX_ANNOTATION = 10 * 1024


@dataclass(frozen=True, slots=True)
class Denial:
    """Why a policy refuses; `index` is that of the validation, None where no validation but the policy itself
    failed."""

    message: str
    reason: str = "Invalid"
    index: int | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """`denials` follow the binding's actions; `errors` refuse whatever these are."""

    denials: tuple[Denial, ...] = ()
    annotations: tuple[tuple[str, str], ...] = ()
    errors: tuple[Denial, ...] = ()


def decide(program: Program, run: Run, *, fail: bool) -> Decision:
    """The decision; `fail` says whether an error refuses."""
    met = _conditions_met(program, run, fail=fail)
    if isinstance(met, Denial):
        return Decision((met,))
    if not met:
        return Decision()
    denials = tuple(_denials(program, run, fail=fail))
    annotations: list[tuple[str, str]] = []
    errors: list[Denial] = []
    for key, expression in program.annotations:
        outcome = run.evaluate(expression)
        text = outcome.value.strip() if isinstance(outcome.value, str) else ""
        if outcome.error and fail:
            errors.append(Denial(outcome.error))
        elif text:
            annotations.append((key, text[:MAX_ANNOTATION]))
    return Decision(denials, tuple(annotations), tuple(errors))


def _conditions_met(program: Program, run: Run, *, fail: bool) -> bool | Denial:
    """A condition that is false goes before one that can't be evaluated."""
    wrong = []
    for condition in program.conditions:
        outcome = run.evaluate(condition)
        if outcome.error:
            wrong.append(outcome.error)
        elif outcome.value is not True:
            return False
    if not wrong:
        return True
    told = wrong[0] if len(wrong) == 1 else f"[{', '.join(dict.fromkeys(wrong))}]"
    return Denial(told) if fail else False


def _denials(program: Program, run: Run, *, fail: bool) -> Iterator[Denial]:
    for index, validation in enumerate(program.validations):
        outcome = run.evaluate(validation.expression)
        if outcome.error:
            if fail:
                yield Denial(outcome.error, index=index)
        elif outcome.value is not True:
            yield Denial(_message(validation, run), validation.reason, index)


def _message(validation: Validation, run: Run) -> str:
    told = None
    if validation.message_expression is not None:
        told = run.evaluate(validation.message_expression).value
    text = told.strip() if isinstance(told, str) else ""
    if len(text) > MAX_MESSAGE or "\n" in text:
        text = ""
    return text or validation.message or f"failed expression: {validation.expression.text.strip()}"
