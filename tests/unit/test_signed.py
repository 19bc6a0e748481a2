"""What signed evidence counts for: keys, their ends, replays, who counts how often."""

import hashlib
import json
import random
import re
from itertools import combinations, permutations, product
from pathlib import Path

import msgspec
import pytest
import signed_world as world
from hypothesis import given, settings
from hypothesis import strategies as st
from signed_world import a_key, day, judge, judged, register, told

from supplytwin.processors import keys
from supplytwin.processors.signed import Counts, Nothing, Reason, quorum
from supplytwin.schemas import signature, signing
from supplytwin.schemas.errors import RecordError

DOCS = Path(__file__).parents[2] / "docs" / "evidence.md"
SHARED = b"a shared secret of thirty-two bytes or more"


def why(found):
    """The reason, or "" for evidence that counts."""
    return found.reason if isinstance(found, Nothing) else ""


def test_a_signed_record_counts_for_the_organisation_of_its_key():
    """Organisation, role, site, key and signed time; nothing else is made up."""
    found = judge(told(), register(a_key()))
    assert found == Counts(
        organisation="ORG-WH", role="WAREHOUSE", site="FRA", kid="wh-1", source="wms:fra", seq=1,
        signed_at=day(10), non_repudiable=True,
    )  # fmt: skip
    unknown_time = judge(told(signed_at=None), register(a_key()))
    assert unknown_time.signed_at == told().arrival


def _other_signature():
    return told(headers=told(b"other").headers)


@pytest.mark.parametrize(
    ("one", "known", "reason"),
    [
        (told(headers=()), [a_key()], "NO_SIGNATURE"),
        (told(headers=((signature.HEADER, b"x"),)), [a_key()], "MALFORMED_SIGNATURE"),
        (told(), [a_key("wh-2")], "UNKNOWN_KEY"),
        (told(), [a_key(), a_key(role="CARRIER")], "CONFLICTED_KEY"),
        (told(), [a_key(), a_key("wh-2", key=a_key().key)], "CONFLICTED_KEY"),
        (told(source="erp:x"), [a_key()], "FOREIGN_SOURCE"),
        (told(source="xwms:fra"), [a_key()], "FOREIGN_SOURCE"),
        (told(source="WMS:fra"), [a_key()], "FOREIGN_SOURCE"),
        (_other_signature(), [a_key()], "BAD_SIGNATURE"),
        (told(source="wms:fra2", headers=told().headers), [a_key()], "BAD_SIGNATURE"),
        (told(original=b"doc", envelope_agrees=False), [a_key()], "ENVELOPE_DIFFERS"),
        (told(original=b"doc"), [a_key()], "ENVELOPE_DIFFERS"),
        (told(original=b"doc", envelope_agrees=True), [a_key()], ""),
        (told(), [a_key(alg="HMAC-SHA-256")], "BAD_SIGNATURE"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(one, known, reason):
    """Each defect of header, key, source, bytes or envelope has its own reason."""
    assert why(judge(one, register(*known))) == reason


@pytest.mark.parametrize(
    ("signed_at", "arrival", "reason"),
    [
        (day(0), day(0), ""), (day(0) - 1, day(0), "OUT_OF_VALIDITY"),
        (day(99), day(100) - 1, ""), (day(99), day(100), "OUT_OF_VALIDITY"),
        (day(100), day(99), "OUT_OF_VALIDITY"), (None, day(0) - 1, "OUT_OF_VALIDITY"),
        (None, day(50), ""),
    ],
)  # fmt: skip
def test_a_key_counts_within_its_validity(signed_at, arrival, reason):
    """From valid_from on, and only what has arrived before valid_to, whatever time it claims."""
    one = told(signed_at=signed_at, arrival=arrival)
    assert why(judge(one, register(a_key()))) == reason


@pytest.mark.parametrize(
    ("name", "reason"), [("revoked", "REVOKED"), ("compromised", "COMPROMISED")]
)
def test_an_end_counts_by_the_later_of_signed_time_and_arrival(name, reason):
    """One microsecond before the end it counts, at it no more, whatever time was signed."""
    known = register(a_key(), **{name: [("wh-1", day(20))]})
    assert why(judge(told(signed_at=day(1), arrival=day(20) - 1), known)) == ""
    assert why(judge(told(signed_at=day(1), arrival=day(20)), known)) == reason
    assert why(judge(told(signed_at=day(20), arrival=day(19)), known)) == reason
    assert why(judge(told(signed_at=None, arrival=day(20) - 1), known)) == ""
    both = register(a_key(), revoked=[("wh-1", day(20))], compromised=[("wh-1", day(20))])
    assert why(judge(told(arrival=day(20)), both)) == "COMPROMISED"


def test_a_compromise_takes_back_what_was_signed_after_it():
    """A later record of the register takes back earlier evidence, and a new key attests again."""
    known = register(a_key(), a_key("wh-2"))
    records = [told(b"a", seq=1, arrival=day(12)), told(b"b", seq=2, arrival=day(15)),
               told(b"c", kid="wh-2", arrival=day(16))]  # fmt: skip
    lost = keys.KeyRecord(
        compromised=(keys.Compromised(kid="wh-1", compromise_at=day(14), reason="stolen"),)
    )
    after = keys.learn(known, lost)
    assert [why(one) for one in judged(records, known)] == ["", "", ""]
    assert [why(one) for one in judged(records, after)] == ["", "COMPROMISED", ""]


def test_one_seq_is_for_one_content():
    """Other bytes under a used seq count for nothing, whatever the order in which they are read:
    the first that arrived counts. The same bytes again do; other sources and keys count for
    themselves; who has no key cannot use a seq up.
    """
    known = register(a_key(), a_key("wh-2"))
    forged = told(b"z", seq=1, headers=told(b"y", kid="wh-9", seq=1).headers)
    stolen = told(b"z", headers=told(b"first").headers)
    records = [forged, stolen, told(b"first"), told(b"second"), told(b"first", arrival=day(11)),
               told(b"second", source="wms:fra2"), told(b"second", kid="wh-2"),
               told(b"second", seq=2)]  # fmt: skip
    said = ["UNKNOWN_KEY", "BAD_SIGNATURE", "", "REPLAYED_SEQ", "", "", "", ""]
    records[3] = msgspec.structs.replace(records[3], arrival=records[2].arrival + 1)
    assert [why(one) for one in judged(records, known)] == said
    assert [why(one) for one in judged(records[::-1], known)] == said[::-1]
    earlier = msgspec.structs.replace(records[3], arrival=records[2].arrival - 1)
    assert [why(one) for one in judged([records[2], earlier], known)] == ["REPLAYED_SEQ", ""]
    same = msgspec.structs.replace(earlier, arrival=records[2].arrival)
    verdicts = [why(one) for one in judged([records[2], same], known)]
    assert verdicts == [why(one) for one in judged([same, records[2]], known)[::-1]]
    assert sorted(verdicts) == ["", "REPLAYED_SEQ"]


histories = st.lists(
    st.tuples(st.sampled_from(("wh-1", "wh-2", "wh-3")), st.integers(0, 30), st.integers(0, 30)),
    max_size=8,
)


@settings(deadline=None)
@given(histories, st.randoms(use_true_random=False))
def test_the_order_of_arrival_changes_no_verdict(history, rng):
    """With a seq of its own for each content, every order gives each record the same verdict."""
    known = register(a_key(), a_key("wh-2"), revoked=[("wh-1", day(20))],
                     compromised=[("wh-2", day(15))])  # fmt: skip
    records = [
        told(f"r{at}".encode(), kid=kid, seq=at + 1, signed_at=day(signed_at), arrival=day(arrival))
        for at, (kid, signed_at, arrival) in enumerate(history)
    ]
    before = dict(zip(map(repr, records), judged(records, known), strict=True))
    rng.shuffle(records)
    assert dict(zip(map(repr, records), judged(records, known), strict=True)) == before
    assert [judge(one, known) for one in records] == [before[repr(one)] for one in records]


def _records():
    """Key records of all sorts, two of which contradict each other."""
    return [
        keys.KeyRecord(keys=(a_key(), a_key("wh-2"))),
        keys.KeyRecord(keys=(a_key("wh-2", site="MUC"),)),
        keys.KeyRecord(keys=(a_key("wh-3", key=a_key().key),)),
        keys.KeyRecord(revoked=(keys.Revoked(kid="wh-1", revoked_at=day(9), reason="a"),)),
        keys.KeyRecord(revoked=(keys.Revoked(kid="wh-1", revoked_at=day(8), reason="b"),)),
        keys.KeyRecord(
            compromised=(keys.Compromised(kid="wh-1", compromise_at=day(7), reason="c"),)
        ),
    ]


def test_the_register_is_the_same_in_every_order():
    """All orders of one set of key records, with repetitions, make one register."""
    one = keys.register_of(_records())
    for order in permutations(_records()):
        assert keys.register_of((*order, order[0], order[3])) == one
    known = one.known["wh-1"]
    assert (known.revoked_at, known.compromise_at) == (day(8), day(7))
    assert keys.usable(one, "wh-1") == "the key of wh-1 is registered as wh-3, too"
    assert "contradict" in keys.usable(one, "wh-2")
    assert keys.usable(one, "nobody") == ""


def test_a_revocation_may_come_before_its_key():
    """An end is remembered for a kid that is not registered yet."""
    first, *_, revoked, lost = (_records()[at] for at in (0, 3, 5))
    for order in permutations((first, revoked, lost)):
        assert why(judge(told(), keys.register_of(order))) == "COMPROMISED"


def flipped(data, bit):
    """`data` with one bit changed."""
    made = bytearray(data)
    made[bit // 8] ^= 1 << bit % 8
    return bytes(made)


def test_one_flipped_bit_counts_for_nothing(required):
    """One bit of value, original, header, source or registered key: never evidence."""
    count, rng = required("signature_flips"), random.Random(3)
    seen = set()
    for at in range(count):
        value = rng.randbytes(rng.randint(1, 200))
        original = rng.randbytes(50) if rng.random() < 0.3 else None
        one = told(value, seq=rng.randint(1, 2**63 - 1), original=original, envelope_agrees=True)
        known = register(a_key(sources=("wms:*",)))
        assert why(judge(one, known)) == ""
        what = ("value", "header", "source", "key")[at % 4]
        if what == "value":
            name = "original" if original else "value"
            data = getattr(one, name)
            bad = msgspec.structs.replace(
                one, **{name: flipped(data, rng.randrange(len(data) * 8))}
            )
        elif what == "header":
            data = one.headers[1][1]
            header = (signature.HEADER, flipped(data, rng.randrange(len(data) * 8)))
            bad = msgspec.structs.replace(one, headers=(header,))
        elif what == "source":
            byte, bit = rng.randrange(4, 7), rng.randrange(7)
            data = flipped(one.source.encode(), byte * 8 + bit).decode()
            bad = msgspec.structs.replace(one, source=data)
        else:
            data = flipped(bytes.fromhex(a_key().key), rng.randrange(256)).hex()
            bad, known = one, register(a_key(sources=("wms:*",), key=data))
        found = judge(bad, known)
        assert isinstance(found, Nothing), (what, bad)
        seen.add(found.reason)
    assert seen >= {"BAD_SIGNATURE", "MALFORMED_SIGNATURE", "UNKNOWN_KEY"}
    count.done(count)


def test_hmac_counts_only_where_the_terms_allow_it_and_is_marked():
    """Refused without permission; with it marked as repudiable; never with another secret."""
    key = a_key("mac", alg="HMAC-SHA-256", key=hashlib.sha256(SHARED).hexdigest())
    header = signing.sign_hmac(SHARED, kid="mac", source="wms:fra", seq=1, value=b"v")
    one, known = told(b"v", headers=(header,)), register(key)

    def allowed(record, keys_known, secret=SHARED):
        return judge(record, keys_known, {"mac": secret}, hmac_allowed=True)

    assert why(judge(one, known)) == "HMAC_NOT_ALLOWED"
    assert why(judge(one, known, {"mac": SHARED})) == "HMAC_NOT_ALLOWED"
    found = allowed(one, known)
    assert (found.organisation, found.non_repudiable) == ("ORG-WH", False)
    assert why(judge(one, known, hmac_allowed=True)) == "NO_SECRET"
    assert why(allowed(one, known, SHARED[:-1])) == "NO_SECRET"
    other = msgspec.structs.replace(one, value=b"w")
    assert why(allowed(other, known)) == "BAD_SIGNATURE"
    weak = register(a_key("mac", alg="HMAC-SHA-256", key=hashlib.sha256(b"").hexdigest()))
    assert why(allowed(one, weak, b"")) == "NO_SECRET"


def test_a_public_key_is_no_shared_secret():
    """Who knows the public key cannot pass an HMAC made with it off as the key's signature."""
    public = bytes.fromhex(a_key().key)
    header = signing.sign_hmac(public, kid="wh-1", source="wms:fra", seq=1, value=b"v")
    one = told(b"v", headers=(header,))
    found = judge(one, register(a_key()), {"wh-1": public}, hmac_allowed=True)
    assert why(found) == "BAD_SIGNATURE"


def counts(organisation, role, kid="k", **changes):
    made = {"site": "S", "source": "s", "seq": 1, "signed_at": day(1), "non_repudiable": True}
    return Counts(organisation=organisation, role=role, kid=kid, **{**made, **changes})


def test_many_signatures_of_one_organisation_count_once():
    """Keys, sites, sources and roles of one organisation are one voice; so is one role of two."""
    roles = ("WAREHOUSE", "CARRIER", "INSPECTOR")
    many = [counts("A", role, f"k{n}", seq=n) for n, role in enumerate(roles * 3)]
    assert len(quorum(many, roles)) == 1
    assert len(quorum([counts("A", "CARRIER"), counts("B", "CARRIER")], roles)) == 1
    assert len(quorum([*many, counts("B", "CARRIER")], roles)) == 2
    assert len(quorum([*many, counts("B", "BUYER")], roles)) == 1
    nothing = Nothing(reason=Reason.REVOKED, says="")
    assert quorum([nothing, counts("A", "BUYER")], roles) == ()
    hmac = counts("A", "CARRIER", "a", non_repudiable=False)
    assert quorum([hmac, counts("A", "CARRIER", "z")], roles)[0].kid == "z"


def _most(pairs):
    """The largest number of pairs without a common role or organisation, by trying all."""
    for size in range(len(pairs), 0, -1):
        for some in combinations(pairs, size):
            if all(len(set(side)) == size for side in zip(*some, strict=True)):
                return size
    return 0


pairs = st.sets(st.tuples(st.sampled_from("RSTU"), st.sampled_from("ABCD")), max_size=9)


@settings(deadline=None)
@given(pairs, st.sets(st.sampled_from("RSTU")), st.randoms(use_true_random=False))
def test_a_quorum_is_the_largest_one_and_depends_on_no_order(pairs, roles, rng):
    """As large as trying all says; each role and organisation once; the same in every order."""
    found = [counts(who, role, f"{who}{role}") for role, who in sorted(pairs)]
    best = quorum(found, roles)
    assert len(best) == _most(sorted(one for one in pairs if one[0] in roles))
    assert len({one.role for one in best}) == len({one.organisation for one in best}) == len(best)
    assert all(one in found and one.role in roles for one in best)
    rng.shuffle(found)
    assert quorum(found, roles) == best
    for size in range(len(found)):
        assert len(quorum(found[:size], roles)) <= len(best)


def body(**changes):
    """A key record's body with one key, changed."""
    key = msgspec.to_builtins(a_key())
    return json.dumps({"keys": [{**key, **changes}]}).encode()


def test_a_key_record_is_read_as_it_was_written():
    """What is written is read back; another kind of control record says nothing about keys."""
    for one in _records():
        assert keys.keys_of(world.control(keys.body_of(one))) == one
    assert keys.keys_of(world.control(b"whatever", kind="POLICY")) is None


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        (b"", "body"), (b"[]", "body"), (b"{}", "body"), (b'{"keys":[]}', "body"),
        (b"\xff", "body"), (b"[" * 10_000, "body"), (b'{"key":[]}', "body"),
        (body(kid="a;b"), "kid"), (body(role="warehouse"), "role"),
        (body(organisation=""), "organ"),
        (body(site="x" * 501), "site"), (body(key="00"), "key"), (body(key="A" * 64), "key"),
        (body(key="01" + "00" * 31), "anybody can sign"), (body(key="02" + "00" * 31), "no public"),
        (body(valid_to=day(0)), "valid_to"), (body(valid_from=2**62), "valid_from"),
        (body(valid_to=None), "body"), (body(sources=[]), "body"), (body(sources=[""]), "sources"),
        (body(alg="none"), "body"), (body(extra=1), "body"),
        (b'{"revoked":[{"kid":"a","revoked_at":1}]}', "reason"),
        (b'{"revoked":[{"kid":"a b","revoked_at":1,"reason":"r"}]}', "kid"),
        (b'{"revoked":[{"kid":"a","revoked_at":4611686018427387904,"reason":"r"}]}', "revoked_at"),
        (b'{"compromised":[{"kid":"a","compromise_at":1,"reason":""}]}', "reason"),
        (b'{"compromised":[{"kid":"a","compromise_at":"2027-01-01","reason":"r"}]}', "body"),
    ],
)  # fmt: skip
def test_a_bad_key_record_is_refused_with_its_field(raw, field):
    """What is no JSON, has other fields, no meaning or a worthless key is a bad record."""
    with pytest.raises(RecordError, match=field) as refused:
        keys.keys_of(world.control(raw))
    assert refused.value.code == "BAD_VALUE"


def blocks():
    """The code blocks of docs/evidence.md by their first word of info."""
    text = DOCS.read_text()
    return dict(re.findall(r"```(?:text|json) (\w+)\n(.*?)\n```", text, re.DOTALL))


def test_the_worked_example_of_the_docs_holds():
    """The documented key record, value and secret give the documented bytes, header and verdict."""
    said = blocks()
    secret, value = bytes.fromhex(said["secret"]), said["value"].encode()
    found = keys.keys_of(world.control(said["register"].encode()))
    (key,) = found.keys
    assert key.key == signing.public_key(secret).hex()
    header = signing.sign(secret, kid=key.kid, source="wms:fra", seq=17, value=value)
    assert header == (signature.HEADER, said["header"].encode())
    text = signature.message("wms:fra", 17, hashlib.sha256(value).digest())
    assert text.hex() == "".join(said["signed"].split())
    one = told(value, headers=(header,), signed_at=day(10), arrival=day(11))
    assert judge(one, keys.register_of((found,))) == msgspec.json.decode(
        said["verdict"], type=Counts
    )
    changed = told(value.replace(b"40", b"41"), headers=(header,))
    assert why(judge(changed, keys.register_of((found,)))) == "BAD_SIGNATURE"


def test_every_reason_is_documented():
    """docs/evidence.md says of each reason what it means, and names no other."""
    table = DOCS.read_text().split("## Reasons")[1].split("\n## ")[0]
    assert re.findall(r"^\| `([A-Z_]+)` \|", table, re.MULTILINE) == [str(one) for one in Reason]


def test_every_reason_comes_about():
    """No reason is dead: each is the verdict of some record. (Those of the terms come about in
    test_settlement_evidence.py.)
    """
    made = set()
    ends = ({}, {"revoked": [("wh-1", day(5))]}, {"compromised": [("wh-1", day(5))]})
    mac = a_key("mac", alg="HMAC-SHA-256", key=hashlib.sha256(SHARED).hexdigest())
    header = signing.sign_hmac(SHARED, kid="mac", source="wms:fra", seq=1, value=b"v")
    records = [
        told(), told(b"2"), told(headers=()), told(headers=((signature.HEADER, b""),)),
        told(kid="wh-9"), told(source="x"), told(b"3", headers=told().headers),
        told(original=b"d", seq=9), told(arrival=day(200), seq=5),
        told(b"v", headers=(header,)), told(kid="wh-3"), told(kid="wh-4"),
    ]  # fmt: skip
    known = (a_key(), mac, a_key("wh-3", key=signing.public_key(world.secret_of("wh-4")).hex()),
             a_key("wh-4"))  # fmt: skip
    for end, allowed in product(ends, (False, True)):
        for found in judged(records, register(*known, **end), hmac_allowed=allowed):
            made.add(why(found))
    assert made - {""} == set(Reason) - {Reason.FOREIGN_KEY, Reason.OTHER_SITE, Reason.LATE}
