"""All parties sign one hash; only then a contract is published."""

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from contract_world import changed, document, free, terms
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from typer.testing import CliRunner

from supplytwin.processors.contract_signing import signed_by_all
from supplytwin.processors.keys import (
    Compromised,
    Key,
    KeyRecord,
    Register,
    Revoked,
    learn,
    register_of,
)
from supplytwin.schemas import codec, signature, signing
from supplytwin.schemas import contract_signature as signatures
from supplytwin.schemas.contract import ContractTerms, encode, terms_hash
from supplytwin.schemas.contract_read import decode
from supplytwin.schemas.errors import RecordError, UsageError
from supplytwin.schemas.ids import Micros
from supplytwin.schemas.records import CONTRACTS, Contract, Signature
from supplytwin.streams import cli_contract, topics
from supplytwin.streams.broker_choice import Chosen
from supplytwin.streams.cli import app
from supplytwin.streams.memory import MemoryBroker
from supplytwin.streams.ports import Eof, TopicPartition
from supplytwin.streams.settings import Settings, Time

NOW = Micros(1_795_000_000_000_000)
YEAR = 365 * 86_400_000_000
TERMS = terms()
HASH = terms_hash(encode(TERMS))


def secret(seat: str) -> bytes:
    """The secret key of a seat."""
    return seat.encode().ljust(32, b".")[:32]


def key(seat: str, **changes: Any) -> Key:
    """The registered key of a party of the terms, changed where a test says so."""
    party = TERMS.seats[seat]
    fields: dict[str, Any] = {
        "kid": f"{seat}-1",
        "alg": "Ed25519",
        "organisation": party.org_id,
        "role": party.role,
        "site": "desk",
        "key": signing.public_key(secret(seat)).hex(),
        "valid_from": Micros(NOW - YEAR),
        "valid_to": Micros(NOW + YEAR),
        "sources": (CONTRACTS,),
    }
    return Key(**fields | changes)


def signed(seat: str, hashed: str = HASH, **changes: Any) -> Signature:
    """The signature of a seat."""
    made = signatures.signed(secret(seat), kid=f"{seat}-1", seat=seat, terms_hash=hashed)
    return replace(signatures.record(made), **changes)


REGISTER = register_of([KeyRecord(keys=tuple([key(one) for one in TERMS.seats]))])
ALL = tuple([signed(one) for one in TERMS.seats])


def wrong(*found: Signature, register: Register = REGISTER, at: int = NOW) -> tuple[str, ...]:
    """What keeps the terms from being agreed."""
    return signed_by_all(TERMS, found, register, Micros(at))


def test_terms_are_agreed_when_all_have_signed() -> None:
    """Every seat once, in any order: nothing is missing."""
    assert wrong(*ALL) == ()
    assert wrong(*reversed(ALL)) == ()
    assert list(TERMS.seats) == ["BUYER", "SELLER", "ARBITER"]


@pytest.mark.parametrize("seat", list(TERMS.seats))
def test_nobody_may_be_missing(seat: str) -> None:
    """Without any one of them they are not, and it says whose signature is missing."""
    (said,) = wrong(*(one for one in ALL if one.party != seat))
    assert said.startswith(f"{seat} (")
    assert said.endswith("has not signed")


FOREIGN = signed("SELLER")
CASES: list[tuple[str, Signature, dict[str, Any], str]] = [
    ("another hash", signed("BUYER", "0" * 64), {}, "not over these terms"),
    ("another seat's", replace(FOREIGN, party="BUYER", kid="BUYER-1"), {}, "not over these terms"),
    ("another's key", replace(FOREIGN, party="BUYER"), {}, "belongs to shenzhen-light"),
    ("unknown key", signed("BUYER", kid="BUYER-2"), {}, "not registered"),
    ("short", signed("BUYER", sig=b"x"), {}, "not over these terms"),
    ("HMAC", signed("BUYER", alg="HMAC-SHA-256"), {}, "only Ed25519"),
    ("role", signed("BUYER"), {"role": "FINANCIER"}, "has the role FINANCIER"),
    ("organisation", signed("BUYER"), {"organisation": "other"}, "belongs to other"),
    ("evidence key", signed("BUYER"), {"sources": ("wms",)}, "does not sign for"),
    ("too early", signed("BUYER"), {"valid_from": Micros(NOW + 1)}, "not valid then"),
    ("too late", signed("BUYER"), {"valid_to": NOW}, "not valid then"),
]


@pytest.mark.parametrize(("name", "one", "changes", "said"), CASES, ids=[one[0] for one in CASES])
def test_a_signature_that_is_not_the_partys_own_counts_for_nothing(
    name: str, one: Signature, changes: dict[str, Any], said: str
) -> None:
    """Other terms, another seat, somebody else's key, a key for evidence, one out of its time."""
    keys = [key(seat, **(changes if seat == "BUYER" else {})) for seat in TERMS.seats]
    (found,) = wrong(one, *ALL[1:], register=register_of([KeyRecord(keys=tuple(keys))]))
    assert said in found, name


def test_a_key_that_ended_before_signs_nothing() -> None:
    """Revoked or compromised by then: it does not count; later than that it did."""
    for end in (
        KeyRecord(revoked=(Revoked(kid="BUYER-1", revoked_at=NOW, reason="left"),)),
        KeyRecord(compromised=(Compromised(kid="BUYER-1", compromise_at=NOW, reason="lost"),)),
    ):
        register = learn(REGISTER, end)
        assert len(wrong(*ALL, register=register)) == 1
        assert wrong(*ALL, register=register, at=NOW - 1) == ()
    twice = learn(REGISTER, KeyRecord(keys=(key("BUYER", site="other"),)))
    assert "contradict" in wrong(*ALL, register=twice)[0]


def test_what_nobody_asked_for_is_wrong_too() -> None:
    """A stranger's signature, or two of one seat: nobody knows what they are for."""
    assert "is no party" in wrong(*ALL, replace(ALL[0], party="CUSTOMS"))[0]
    assert "2 signatures" in wrong(*ALL, ALL[0])[0]


def test_several_of_one_role_sign_each() -> None:
    """Three arbiters are three seats, each under its own name."""
    made = document()
    arbiter = made["parties"][2]
    made["parties"] += [arbiter | {"org_id": "siac"}, arbiter | {"org_id": "cietac"}]
    found = decode_free(made)
    assert list(found.seats)[2:] == ["ARBITER:hkiac", "ARBITER:siac", "ARBITER:cietac"]


def decode_free(made: dict[str, Any]) -> ContractTerms:
    """Terms of a document, whatever its template says."""
    from supplytwin.schemas.contract_read import read

    value = read(json.dumps(made).encode()).value
    assert value is not None
    return value


@given(at=st.integers(0, 63), bit=st.integers(0, 7), seat=st.sampled_from(list(TERMS.seats)))
def test_one_bit_flipped_counts_for_nothing(at: int, bit: int, seat: str) -> None:
    """No bit of a signature can be changed."""
    flipped = [
        replace(one, sig=bytes(b ^ (1 << bit if i == at else 0) for i, b in enumerate(one.sig)))
        if one.party == seat
        else one
        for one in ALL
    ]
    assert len(wrong(*flipped)) == 1


def test_a_signature_of_evidence_is_none_of_a_contract() -> None:
    """The domains differ: what signs a record over the same hash does not sign terms."""
    content = bytes.fromhex(HASH)
    assert signatures.message("BUYER", HASH) != signature.message("BUYER", 1, content)
    assert signatures.message("BUYER", HASH)[4:26] == b"supplytwin/contract/v1"
    assert signatures.message("A", HASH) != signatures.message("AB", HASH)
    for text in ("", "00", "zz" * 32):
        with pytest.raises(ValueError, match=r".*"):
            signatures.message("BUYER", text)


def test_a_signature_file_is_read_strictly() -> None:
    """One spelling of a signature; what is wrong in a file is said with its path."""
    one = signatures.signed(secret("BUYER"), kid="b", seat="BUYER", terms_hash=HASH)
    file = signatures.SignatureFile(
        form="contract-signatures/1", contract_id="C", terms_hash=HASH, signatures=(one,)
    )
    assert signatures.read(signatures.written(file)) == file
    raw = signatures.written(file).replace(b'"alg": "Ed25519"', b'"alg": "none"')
    with pytest.raises(RecordError, match=r"signatures\[0\].alg"):
        signatures.read(raw)
    last = one.sig[-1]
    other = next(c for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if c != last and c not in "AQgw")
    with pytest.raises(RecordError, match="base64url"):
        signatures.record(replace(one, sig=one.sig[:-1] + other))


# ---- commands

RUNNER = CliRunner()


def run(*words: str, code: int = 0) -> str:
    """The output of a command that ends with that exit code."""
    done = RUNNER.invoke(app, ["contract", *words])
    assert done.exit_code == code, (done.output, done.exception)
    return done.output


def refused(*words: str) -> str:
    """What a command says that does not do what was asked."""
    done = RUNNER.invoke(app, ["contract", *words])
    assert isinstance(done.exception, UsageError | OSError), (done.output, done.exception)
    return str(done.exception)


class Desk:
    """Terms in a file, a key for each party, and a broker in memory."""

    def __init__(self, folder: Path, *, simulated: bool) -> None:
        self.folder, self.file = folder, folder / "terms.json"
        self.file.write_bytes(json.dumps(document()).encode())
        for seat, party in TERMS.seats.items():
            run("keygen", str(self.key(seat)), "--kid", f"{seat}-1", "--organisation",
                party.org_id, "--role", party.role)  # fmt: skip
        self.broker = MemoryBroker()
        self.settings = Settings(time=Time(simulated=simulated))
        topics.init(self.broker, self.settings)

    def key(self, seat: str) -> Path:
        """The file of a secret key."""
        return self.folder / f"{seat}.key"

    def sign(self, *seats: str) -> None:
        """These sign."""
        for seat in seats:
            run("sign", str(self.file), "--key", str(self.key(seat)), "--party", seat)

    def words(self, *more: str) -> list[str]:
        """`publish` with every public key."""
        keys = [w for one in TERMS.seats for w in ("--keys", f"{self.key(one)}.public.json")]
        return ["publish", str(self.file), *keys, *more]

    def sent(self) -> list[Any]:
        """What stands in the topic."""
        found = []
        consumer = self.broker.consumer(None)
        meta = topics.require_meta(self.broker)
        for number in range(meta.partitions):
            place = TopicPartition(CONTRACTS, number)
            first, end = consumer.ends(place)
            consumer.assign({place: first})
            while len([one for one in found if one.partition == number]) < end - first:
                found += [r for r in consumer.consume(10, 0.1) if not isinstance(r, Eof)]
        consumer.close()
        return found


@pytest.fixture
def desk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Desk]:
    """A desk in wall-clock time, or as the test says."""
    made = Desk(tmp_path, simulated=getattr(request, "param", False))
    chosen = Chosen(broker=made.broker, how="in memory", close=lambda: None)
    monkeypatch.setattr(cli_contract, "connect", lambda context: (made.settings, chosen))
    yield made
    made.broker.close()


def test_a_signed_contract_is_published(desk: Desk) -> None:
    """The record under its chain: canonical terms, their hash, every signature, and it verifies."""
    desk.sign(*TERMS.seats)
    said = run(*desk.words("--source", "desk-1"))
    (record,) = desk.sent()
    assert record.key == b"PO-4711"
    made = codec.decode(CONTRACTS, record.value).message
    assert isinstance(made, Contract)
    assert (made.contract_id, made.version, made.source) == ("C-2026-017", 1, "desk-1")
    assert made.input_id == "contract:C-2026-017:1"
    assert decode(made.terms) == TERMS
    assert made.terms_hash == terms_hash(made.terms) == HASH
    assert HASH in said
    assert "settlement list --chain PO-4711" in said  # it is sent, nobody has agreed it yet
    assert {one.party for one in made.signatures} == set(TERMS.seats)


def test_amendments_of_one_number_are_told_apart_by_their_text() -> None:
    """One that is refused is no reason to refuse another; the same text is the same record."""
    ids = list[str]()
    for attempts in (8, 9, 9):
        terms = replace(TERMS, version=2, amends=HASH, attempts_max=attempts)
        hashed = terms_hash(encode(terms))
        made = tuple([
            signatures.signed(secret(seat), kid=f"{seat}-1", seat=seat, terms_hash=hashed)
            for seat in terms.seats
        ])  # fmt: skip
        file = signatures.SignatureFile(form="contract-signatures/1", contract_id="C-2026-017",
                                        terms_hash=hashed, signatures=made)  # fmt: skip
        ids.append(cli_contract.signed_contract(terms, file, REGISTER, NOW, "desk").input_id)
    first, second, again = ids
    assert first != second == again
    assert first.startswith("contract:C-2026-017:2:")


def test_nothing_is_published_before_all_have_signed(desk: Desk) -> None:
    """No signature, or all but one: the reason, and no record."""
    assert "has not signed" in refused(*desk.words())
    desk.sign("BUYER", "ARBITER")
    assert "SELLER (shenzhen-light) has not signed" in refused(*desk.words())
    assert desk.sent() == []


def test_terms_that_changed_have_to_be_signed_anew(desk: Desk) -> None:
    """Signatures of other terms are never taken for these; another spelling is the same terms."""
    desk.sign(*TERMS.seats)
    desk.file.write_text(json.dumps(document(), indent=3))
    run(*desk.words())
    desk.file.write_bytes(json.dumps(document(second_bp=5999)).encode())
    assert "of other terms" in refused(*desk.words())
    key = str(desk.key("BUYER"))
    assert "of other terms" in refused("sign", str(desk.file), "--key", key, "--party", "BUYER")
    assert len(desk.sent()) == 1


def test_faults_are_neither_signed_nor_published(desk: Desk) -> None:
    """Terms with a fault, and free conditions where they are not permitted."""
    desk.file.write_bytes(changed(document(), {"tranches.0.claims.0.max_minor": 1}))
    key = str(desk.key("BUYER"))
    words = ("sign", str(desk.file), "--key", key, "--party", "BUYER")
    assert "contract check" in refused(*words)
    assert "contract check" in refused(*desk.words())
    desk.file.write_bytes(json.dumps(free()).encode())
    assert "templates" in refused(*words)
    run(*words, "--free-conditions")


def test_a_key_signs_only_for_its_owner(desk: Desk) -> None:
    """The wrong party, a party that is not there, a file that is no key."""
    file, key = str(desk.file), str(desk.key("BUYER"))
    assert "count for nothing" in refused("sign", file, "--key", key, "--party", "SELLER")
    assert "there are BUYER" in refused("sign", file, "--key", key, "--party", "CUSTOMS")
    assert "no key file" in refused("sign", file, "--key", file, "--party", "BUYER")
    assert "no key record" in refused("publish", file, "--keys", file)


def test_a_key_is_made_once_and_only_its_owner_can_read_it(desk: Desk) -> None:
    """The secret is never overwritten; group and others have no right to it."""
    key = desk.key("BUYER")
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    before = key.read_bytes()
    words = ("keygen", str(key), "--kid", "x", "--organisation", "o")
    assert "exists" in refused(*words, "--role", "BUYER").lower()
    assert key.read_bytes() == before
    other = str(desk.folder / "other")
    assert "role" in refused("keygen", other, "--kid", "x", "--organisation", "o", "--role", "a b")
    assert "BUYER, SELLER" in refused(
        "keygen", other, "--kid", "x", "--organisation", "o", "--role", "KING"
    )
    assert not Path(other).exists()
    assert key.read_text().count(json.loads(before)["secret"]) == 1
    assert json.loads(before)["secret"] not in Path(f"{key}.public.json").read_text()
    old = str(desk.folder / "old")
    run("keygen", old, "--kid", "y", "--organisation", "o", "--role", "BUYER", "--from",
        "2006-01-01", "--days", "30")  # fmt: skip
    (public,) = json.loads(Path(f"{old}.public.json").read_text())["keys"]
    assert public["valid_from"] == 1_136_073_600_000_000
    assert public["valid_to"] - public["valid_from"] == 30 * 86_400_000_000


@pytest.mark.parametrize("desk", [True], indirect=True)
def test_in_simulated_time_the_arrival_is_given(desk: Desk) -> None:
    """`--at` is the record's time there, and is refused in wall-clock time."""
    desk.sign(*TERMS.seats)
    assert "--at" in refused(*desk.words())
    at = "2027-01-05T12:00:00Z"
    run(*desk.words("--at", at))
    (record,) = desk.sent()
    assert record.arrival == 1_799_150_400_000_000
    assert "not valid then" in refused(*desk.words("--at", "2006-01-01T00:00:00Z"))


def test_wall_clock_time_takes_no_arrival(desk: Desk) -> None:
    """There the broker says when a record arrived."""
    desk.sign(*TERMS.seats)
    assert "--at" in refused(*desk.words("--at", "2027-01-05T12:00:00Z"))
    assert desk.sent() == []
