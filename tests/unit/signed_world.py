"""Keys, signed records and the register for the tests of signed evidence."""

from msgspec.structs import replace

from supplytwin.processors import keys, signed
from supplytwin.processors.signed import Evidence
from supplytwin.processors.signed_facts_counted import UNSIGNED
from supplytwin.schemas import signing
from supplytwin.schemas.ids import DAY_US
from supplytwin.schemas.records import Control

T0 = 1_798_761_600_000_000
"""2027-01-01T00:00:00Z."""


def secret_of(kid):
    """The secret key of a kid: one for each."""
    return kid.encode().ljust(32, b".")[:32]


def day(number):
    """Midnight UTC of day `number` after T0, us."""
    return T0 + number * DAY_US


def a_key(kid="wh-1", **changes):
    """A key of warehouse FRA, valid for 100 days, for the sources wms:fra*."""
    made = {
        "kid": kid, "alg": "Ed25519", "organisation": "ORG-WH", "role": "WAREHOUSE", "site": "FRA",
        "key": signing.public_key(secret_of(kid)).hex(), "valid_from": day(0), "valid_to": day(100),
        "sources": ("wms:fra*",),
    }  # fmt: skip
    return keys.Key(**{**made, **changes})


def register(*made, revoked=(), compromised=()):
    """A register of these keys; revoked and compromised are (kid, time)."""
    record = keys.KeyRecord(
        keys=made,
        revoked=tuple(keys.Revoked(kid=k, revoked_at=t, reason="left") for k, t in revoked),
        compromised=tuple(
            keys.Compromised(kid=k, compromise_at=t, reason="stolen") for k, t in compromised
        ),
    )
    return keys.register_of((record,))


def control(body, kind="KEY"):
    """A control record with this body."""
    return Control(input_id="key-1", kind=kind, tick_time=day(0), timeline="wall", body=body)


def told(value=b"received", kid="wh-1", seq=1, **changes):
    """A record of wms:fra, signed on day 10 and arrived an hour later."""
    made = {"source": "wms:fra", "value": value, "original": None, "signed_at": day(10),
            "arrival": day(10) + DAY_US // 24}  # fmt: skip
    made.update(changes)
    if "headers" not in made:
        header = signing.sign(
            secret_of(kid), kid=kid, source=made["source"], seq=seq, value=made["value"],
            original=made["original"],
        )  # fmt: skip
        made["headers"] = (("trace", b"x"), header)
    return Evidence(**made)


def judged(records, known, secrets=None, *, hmac_allowed=False):
    """The verdicts of records, taken by somebody who has these secrets by kid."""
    found = []
    for one in records:
        mac = signed.checked_mac(one, secrets or {})
        found.append(signed.remembered(replace(one, mac=mac)))
    verdicts = iter(signed.judged([one for one in found if one], known, hmac_allowed=hmac_allowed))
    return [UNSIGNED if one is None else next(verdicts) for one in found]


def judge(one, known, secrets=None, *, hmac_allowed=False):
    """The verdict of a record that is alone in its chain."""
    return judged([one], known, secrets, hmac_allowed=hmac_allowed)[0]
