"""Which rail the settings make, and what they are told when something is missing."""

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
from bank_rail_world import TERMS, instruction
from iso20022_world import BUYER, SELLER

from supplytwin.schemas.errors import UsageError
from supplytwin.sinks.bank_rail import BankRail
from supplytwin.sinks.bank_rail_terms import Funding, ListedParties, Paying
from supplytwin.sinks.simulated_rail import SimulatedRail
from supplytwin.streams import deployment
from supplytwin.streams.gateway_rail import bank_rail
from supplytwin.streams.memory import MemoryBroker
from supplytwin.streams.settings import Gateway, RailSection, Settings, Time, load
from supplytwin.streams.topics import Meta

PAYING = Paying(
    debtor=BUYER, creditor=SELLER, funding=Funding.COMMITMENT_ONLY, purpose_code="CGODDR"
)
META = Meta(simulated=False, timeline="wall", partitions=1)


def section(folder: Path, kind: str, **changes: Any) -> RailSection:
    """A whole section of this kind."""
    parties = folder / "parties.json"
    parties.write_bytes(msgspec.json.encode({TERMS: PAYING}))
    common = {
        "initiator": "Desk", "agent": "EBILAEAD", "zone": "Asia/Dubai", "parties": str(parties),
        "folder": str(folder / "kept"),
    }  # fmt: skip
    own = {
        "iso20022-http": {
            "payments_url": "https://bank.example/pay", "mailbox_url": "https://bank.example/mail",
        },
        "iso20022-files": {"to_bank": str(folder / "to"), "from_bank": str(folder / "from")},
    }[kind]  # fmt: skip
    return RailSection(**{"kind": kind, **common, **own, **changes})


@pytest.mark.parametrize("kind", ["iso20022-http", "iso20022-files"])
def test_a_whole_section_makes_a_bank(tmp_path: Path, kind: str) -> None:
    """Named by its bank, whatever the way to it."""
    rail = deployment.rail(MemoryBroker(), Settings(rail=section(tmp_path, kind)), META)
    assert isinstance(rail, BankRail)
    assert rail.name == "iso20022-EBILAEAD"
    rail.close()


def test_without_a_word_it_is_the_simulated_rail(tmp_path: Path) -> None:
    """Nobody comes to a bank by leaving something out."""
    settings = Settings(gateway=Gateway(ledger=str(tmp_path / "rail")))
    assert isinstance(deployment.rail(MemoryBroker(), settings, META), SimulatedRail)


@pytest.mark.parametrize(
    ("kind", "key", "value"),
    [
        ("iso20022-http", "payments_url", ""),
        ("iso20022-http", "payments_url", "ftp://bank.example"),
        ("iso20022-http", "mailbox_url", ""),
        ("iso20022-http", "mailbox_url", "bank.example/mail"),
        ("iso20022-http", "status_url", "https://bank.example/status"),
        ("iso20022-http", "status_url", "https://bank.example/{settlement}"),
        ("iso20022-http", "status_url", "https://bank.example/{uetr"),
        ("iso20022-http", "to_bank", "to"),
        ("iso20022-http", "initiator", ""),
        ("iso20022-http", "initiator", "Bureau Müller"),
        ("iso20022-http", "agent", ""),
        ("iso20022-http", "agent", "NOBIC"),
        ("iso20022-http", "zone", "Mars/Olympus"),
        ("iso20022-files", "to_bank", ""),
        ("iso20022-files", "from_bank", ""),
        ("iso20022-files", "mailbox_url", "https://bank.example/mail"),
        ("iso20022-files", "parties", "nowhere.json"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, kind: str, key: str, value: str) -> None:
    """One line with the key."""
    settings = Settings(rail=section(tmp_path, kind, **{key: value}))
    with pytest.raises(UsageError, match=rf"settings: \[rail\] {key}\b"):
        bank_rail(settings, MemoryBroker(), 1)


@pytest.mark.parametrize("key", ["to_bank", "from_bank", "folder"])
def test_a_folder_that_cannot_be_used_is_named_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    """Not when the first document is there: a mount that is read-only, another user's folder."""
    settings = Settings(rail=section(tmp_path, "iso20022-files"))
    bank_rail(settings, MemoryBroker(), 1).close()
    refused, real = Path(getattr(settings.rail, key)), os.access

    def access(path: Path, mode: int, **options: Any) -> bool:
        return refused not in (path, *path.parents) and real(path, mode, **options)

    monkeypatch.setattr(os, "access", access)
    with pytest.raises(UsageError, match=rf"settings: \[rail\] {key} .*written"):
        bank_rail(settings, MemoryBroker(), 1)


@pytest.mark.parametrize("how", ["same", "dots", "link"])
@pytest.mark.parametrize(
    ("key", "other"),
    [
        ("from_bank", "to"), ("to_bank", "from"), ("from_bank", "kept"), ("to_bank", "kept"),
        ("from_bank", "kept/waiting"), ("from_bank", "kept/refused"), ("to_bank", "kept/received"),
    ],
)  # fmt: skip
def test_no_two_folders_are_one(tmp_path: Path, key: str, other: str, how: str) -> None:
    """What is meant for the bank would be taken for its own, and laid aside."""
    path = tmp_path / other
    path.mkdir(parents=True)
    if how == "dots":
        path = tmp_path / "kept" / ".." / other
        (tmp_path / "kept").mkdir(exist_ok=True)
    elif how == "link":
        (tmp_path / "link").symlink_to(path)
        path = tmp_path / "link"
    settings = Settings(rail=section(tmp_path, "iso20022-files", **{key: str(path)}))
    with pytest.raises(UsageError, match=r"settings: \[rail\] (from|to)_bank .* same folder"):
        bank_rail(settings, MemoryBroker(), 1)


@pytest.mark.parametrize("kind", ["iso20022-files", "iso20022-http"])
@pytest.mark.parametrize("name", ["received", "mailbox", "waiting"])
def test_something_in_the_way_of_a_folder_is_named(tmp_path: Path, kind: str, name: str) -> None:
    """One line, no trace."""
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / name).write_bytes(b"in the way")
    settings = Settings(rail=section(tmp_path, kind))
    if (kind, name) == ("iso20022-files", "mailbox"):
        bank_rail(settings, MemoryBroker(), 1)
        return
    with pytest.raises(UsageError, match=rf"\[rail\] folder .*{name}"):
        bank_rail(settings, MemoryBroker(), 1)


def test_a_mailbox_with_a_query_has_no_place_for_an_id(tmp_path: Path) -> None:
    """What could not be deleted is not pretended to be confirmed."""
    url = "https://bank.example/mail?peek"
    settings = Settings(rail=section(tmp_path, "iso20022-http", mailbox_url=url, confirms=True))
    with pytest.raises(UsageError, match=r"\[rail\] mailbox_url"):
        bank_rail(settings, MemoryBroker(), 1)


def test_a_bank_is_not_paid_on_a_simulated_timeline(tmp_path: Path) -> None:
    """Recorded times and real money do not go together."""
    settings = Settings(rail=section(tmp_path, "iso20022-files"), time=Time(simulated=True))
    with pytest.raises(UsageError, match=r"\[rail\] kind"):
        bank_rail(settings, MemoryBroker(), 1)


def test_an_unknown_kind_is_named(tmp_path: Path) -> None:
    """At the reading of the file."""
    file = tmp_path / "supplytwin.toml"
    file.write_text('[rail]\nkind = "swift"\n')
    with pytest.raises(UsageError, match=r"\[rail\] kind"):
        load(file, {})


def test_a_clearing_number_is_an_agent(tmp_path: Path) -> None:
    """`CNAPS:…` instead of a BIC."""
    settings = Settings(rail=section(tmp_path, "iso20022-files", agent="CNAPS:102584002110"))
    rail = bank_rail(settings, MemoryBroker(), 1)
    assert rail.name == "iso20022-102584002110"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda one: one["debtor"].pop("name"), "name"),
        (lambda one: one["creditor"]["account"].update(other=""), rf"{TERMS}\.creditor\.account"),
        (
            lambda one: one["debtor"]["account"].update(iban="AE00"),
            rf"{TERMS}\.debtor\..*iban",
        ),
        (lambda one: one.update(funding="PROMISE"), "funding"),
        (lambda one: one.update(charges="CRED"), "charges"),
        (lambda one: one.update(colour="red"), "colour"),
    ],
)
def test_parties_that_cannot_be_paid_stop_the_start(change: Any, field: str) -> None:
    """The file is checked whole, before anything is paid, and the field is named."""
    raw = msgspec.json.decode(msgspec.json.encode({TERMS: PAYING}))
    change(raw[TERMS])
    with pytest.raises(UsageError, match=field):
        ListedParties(msgspec.json.encode(raw), "parties.json")


def test_listed_parties_are_found() -> None:
    """By the hash of the terms, and no others."""
    listed = ListedParties(msgspec.json.encode({TERMS: PAYING}), "parties.json")
    assert listed.of(instruction()) == PAYING
    assert listed.of(instruction(terms_hash="6" * 64)) is None
    assert listed.of(instruction(terms_hash=None)) is None


def test_parties_are_listed_by_the_hash_of_their_terms() -> None:
    """A contract id stands for no terms: an amendment has the same one."""
    with pytest.raises(UsageError, match="C-1 is no terms hash"):
        ListedParties(msgspec.json.encode({"C-1": PAYING}), "parties.json")
