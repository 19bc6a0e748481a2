"""The header `st-signature`: one spelling, exact bytes, and the algorithm's published vectors."""

import base64
import hashlib
import json
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supplytwin.schemas import edwards, signature, signing
from supplytwin.schemas.signature import HEADER, Malformed, Signature

VECTORS = json.loads((Path(__file__).parents[1] / "data" / "ed25519" / "rfc8032.json").read_text())
SECRET = bytes(range(32))
ORDER = 2**252 + 27_742_317_777_372_353_535_851_937_790_883_648_493


@pytest.mark.parametrize("vector", VECTORS, ids=[one["name"] for one in VECTORS])
def test_ed25519_is_the_one_of_rfc_8032(vector):
    """Each vector of section 7.1: public key from secret, the signature holds, none of its
    neighbours does.
    """
    secret, public, text, sig = (
        bytes.fromhex(vector[name]) for name in ("secret", "public", "message", "signature")
    )
    assert signing.public_key(secret) == public
    assert edwards.is_sound(public)
    assert signing.verifies(public, text, sig)
    assert not signing.verifies(public, text + b"\0", sig)
    number = int.from_bytes(sig[32:], "little") + ORDER
    assert not signing.verifies(public, text, sig[:32] + number.to_bytes(32, "little"))


def test_the_vectors_are_all_five():
    """The file has the five vectors of the RFC; the longest message has 1,023 bytes."""
    assert [len(one["message"]) // 2 for one in VECTORS] == [0, 1, 2, 1023, 64]
    assert VECTORS[4]["message"] == hashlib.sha512(b"abc").hexdigest()


def test_what_is_signed_is_laid_out_as_documented():
    """Four fields, each after its length; put together here a second time."""
    value, source = b"a value", "wms:中"
    name, text = signing.sign(SECRET, kid="k-1", source=source, seq=258, value=value)
    fields = (b"supplytwin/v1", source.encode(), struct.pack(">Q", 258),
              hashlib.sha256(value).digest())  # fmt: skip
    signed = b"".join(struct.pack(">I", len(one)) + one for one in fields)
    alg, kid, seq, sig = text.decode().split(";")
    assert (name, alg, kid, seq) == ("st-signature", "Ed25519", "k-1", "258")
    raw = base64.urlsafe_b64decode(sig + "==")
    assert signing.verifies(signing.public_key(SECRET), signed, raw)
    assert len(signed) == 4 * 4 + 13 + 7 + 8 + 32


def test_the_original_is_signed_where_there_is_one():
    """With an original document the signature is over it, in whatever envelope; an empty one is
    none, or one signature would do for every record.
    """
    given = {"kid": "k", "source": "s", "seq": 1}
    one = signing.sign(SECRET, **given, value=b"a", original=b"document")
    assert one == signing.sign(SECRET, **given, value=b"b", original=b"document")
    assert one == signing.sign(SECRET, **given, value=b"document")
    empty = signing.sign(SECRET, **given, value=b"a", original=b"")
    assert empty == signing.sign(SECRET, **given, value=b"a")
    assert empty != signing.sign(SECRET, **given, value=b"b", original=b"")


names = st.text(st.characters(codec="utf-8"), max_size=6)


@settings(deadline=None)
@given(names, st.integers(1, 2**63 - 1), names, st.integers(1, 2**63 - 1), st.binary(max_size=2))
def test_no_two_statements_have_the_same_bytes(source, seq, other_source, other_seq, value):
    """Fields cannot slide into each other: equal bytes mean equal source, seq and content."""
    content = signature.digest(value, None)
    one = signature.message(source, seq, content)
    other = signature.message(other_source, other_seq, content)
    assert (one == other) == ((source, seq) == (other_source, other_seq))


@settings(deadline=None)
@given(
    st.sampled_from(("Ed25519", "HMAC-SHA-256")),
    st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True),
    st.integers(1, 2**63 - 1), st.binary(min_size=64, max_size=64),
)  # fmt: skip
def test_a_header_is_read_as_it_was_written(alg, kid, seq, sig):
    """Every signature that can be written is read back, and has no other spelling."""
    one = Signature(alg=alg, kid=kid, seq=seq, sig=sig[: signature.SIZES[alg]])
    header = signature.written(one)
    assert signature.read((("other", b"x"), header)) == one


SIG = base64.urlsafe_b64encode(bytes(range(190, 254))).decode().rstrip("=")
GOOD = f"Ed25519;k;1;{SIG}"


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ([b""], "empty"), ([None], "empty"), ([GOOD.encode(), GOOD.encode()], "2 headers"),
        ([GOOD.encode(), None], "2 headers"), ([b"Ed25519;k;1"], "3 parts"),
        ([f"{GOOD};".encode()], "5 parts"), (["Ed25519;ключ;1;".encode()], "not ASCII"),
        ([GOOD.lower().encode()], "alg"), ([f" {GOOD}".encode()], "alg"),
        ([GOOD.replace("Ed25519", "").encode()], "alg"),
        ([GOOD.replace("Ed25519", "none").encode()], "alg"),
        ([GOOD.replace(";k;", ";;").encode()], "kid"),
        ([GOOD.replace(";k;", f";{'k' * 65};").encode()], "kid"),
        ([GOOD.replace(";k;", ";k k;").encode()], "kid"),
        ([GOOD.replace(";k;", ";k\n;").encode()], "kid"),
        *[
            ([GOOD.replace(";1;", f";{seq};").encode()], "seq")
            for seq in ("0", "01", "+1", "-1", "", "1 ", "1.0", "0x1", 2**63, "9" * 19, "1" * 20)
        ],
        ([f"{GOOD}=".encode()], "sig"), ([f"{GOOD}==".encode()], "sig"),
        ([f"{GOOD}\n".encode()], "sig"), ([f"{GOOD} ".encode()], "sig"),
        ([f"{GOOD[:-1]}-".encode()], "one base64url spelling"), ([GOOD[:-1].encode()], "sig"),
        ([GOOD[:-2].encode()], "63 bytes"), ([f"{GOOD}AAAA".encode()], "sig"),
        ([b"Ed25519;k;1;"], "0 bytes"), ([b"Ed25519;k;1;A"], "base64url"),
        ([f"Ed25519;k;1;{SIG.replace('-', '+').replace('_', '/')}".encode()], "base64url"),
        ([GOOD.replace("Ed25519", "HMAC-SHA-256").encode()], "64 bytes"),
    ],
)  # fmt: skip
def test_every_malformed_header_is_refused_with_its_reason(values, says):
    """Twice, empty, other parts, letters, spaces, zeros, padding, another alphabet or size."""
    assert isinstance(signature.read([(HEADER, GOOD.encode())]), Signature)
    assert "-" in SIG or "_" in SIG
    found = signature.read([(HEADER, value) for value in values])
    assert isinstance(found, Malformed), found
    assert says in found.says


@settings(deadline=None)
@given(st.binary(max_size=120))
def test_reading_never_raises(value):
    """Whatever bytes stand in a header, they are read or refused in words."""
    found = signature.read(((HEADER, value),))
    assert isinstance(found, Malformed) or signature.written(found) == (HEADER, value)


def test_what_cannot_be_read_is_not_written():
    """The signer refuses a kid, a seq or a secret that no reader would take."""
    good = {"kid": "k", "source": "s", "seq": 1, "value": b"v"}
    for bad in ({"kid": "k;2"}, {"kid": ""}, {"seq": 0}, {"seq": 2**63}, {"seq": -1}):
        with pytest.raises(ValueError, match=r"kid|seq"):
            signing.sign(SECRET, **{**good, **bad})
    with pytest.raises(ValueError, match="32"):
        signing.sign(SECRET[:31], **good)
    with pytest.raises(ValueError, match="31 bytes"):
        signing.sign_hmac(SECRET[:31], **good)


def _root(number):
    """A square root modulo p, None = there is none."""
    found = pow(number, (edwards.P + 3) // 8, edwards.P)
    for one in (found, found * pow(2, (edwards.P - 1) // 4, edwards.P) % edwards.P):
        if one * one % edwards.P == number % edwards.P:
            return one
    return None


def small_orders():
    """y of all points of order 1, 2, 4 and 8: doubling y is 0 where x^2 = -y^2, from the curve."""
    d = -121_665 * pow(121_666, -1, edwards.P) % edwards.P
    found = {0, 1, edwards.P - 1}
    # -x^2 + y^2 = 1 + d x^2 y^2 with x^2 = -y^2: d y^4 + 2 y^2 - 1 = 0
    inner = _root(1 + d)
    for sign in (1, -1):
        square = (-1 + sign * inner) * pow(d, -1, edwards.P) % edwards.P
        y = _root(square)
        if y is not None:
            found |= {y, edwards.P - y}
    return found


def test_keys_under_which_anybody_signs_are_no_keys():
    """All encodings of small-order points, in every spelling, what is beyond p, and no points."""
    ys = small_orders()
    assert len(ys) == 5
    spelled = {y + extra for y in ys for extra in (0, edwards.P) if y + extra < 2**255}
    for y in spelled:
        for sign in (0, 2**255):
            assert not edwards.is_sound((y + sign).to_bytes(32, "little")), y
    assert not edwards.is_sound((2).to_bytes(32, "little"))  # no point has this y
    assert not edwards.is_sound(bytes(31))
    twice = [y for y in range(2, 19) if edwards.is_sound(y.to_bytes(32, "little"))]
    assert twice  # points that have a second spelling, beyond p
    assert not any(edwards.is_sound((y + edwards.P).to_bytes(32, "little")) for y in twice)
    identity, trivial = (1).to_bytes(32, "little"), (1).to_bytes(32, "little") + bytes(32)
    assert signing.verifies(identity, b"anything at all", trivial)  # what would happen without


@settings(deadline=None)
@given(st.binary(min_size=32, max_size=32))
def test_every_real_key_is_sound(secret):
    """No public key that comes from a secret is refused."""
    assert edwards.is_sound(signing.public_key(secret))
