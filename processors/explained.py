"""Why an amount is what it is: which rule, on which inputs. The text goes to `explain`."""

from msgspec import Struct


class Why(Struct, frozen=True, kw_only=True, gc=False):
    """One step of a computation. `rule` is a name from a short list, `says` a sentence with the
    numbers, `inputs` what it rests on as (name, value), sorted.
    """

    rule: str
    says: str
    inputs: tuple[tuple[str, str], ...] = ()


class Refused(Struct, frozen=True, kw_only=True, gc=False):
    """Nothing can be said about the amount: the input that `why` names has to be corrected."""

    why: Why


def why(rule: str, says: str, **inputs: object) -> Why:
    """A step with its inputs as text."""
    given = tuple(sorted((name, str(value)) for name, value in inputs.items()))
    return Why(rule=rule, says=says, inputs=given)


def refused(rule: str, says: str, **inputs: object) -> Refused:
    """A refusal with its inputs as text."""
    return Refused(why=why(rule, says, **inputs))
