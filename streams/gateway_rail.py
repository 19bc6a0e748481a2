"""The rail that the settings name. What is missing for it is said with its key, at the start."""

import os
import string
from pathlib import Path

from supplytwin.schemas.errors import RecordError, UsageError
from supplytwin.schemas.localtime import zone
from supplytwin.sinks import iso20022_text as take
from supplytwin.sinks.bank_rail import BankRail, Carrier
from supplytwin.sinks.bank_rail_messages import Desk
from supplytwin.sinks.bank_rail_terms import Holds, ListedParties, Parties
from supplytwin.sinks.file_rail import FolderBank, Inbox
from supplytwin.sinks.http_rail import Addresses, HttpBank, StatusReader, as_it_is
from supplytwin.sinks.iso20022_parties import Agent, check_agent
from supplytwin.streams.gateway_terms import AgreedParties
from supplytwin.streams.ports import Broker
from supplytwin.streams.settings import RailSection, Settings

HTTP, FILES = "iso20022-http", "iso20022-files"
_NEEDED = {
    HTTP: ("initiator", "agent", "payments_url", "mailbox_url"),
    FILES: ("initiator", "agent", "to_bank", "from_bank"),
}
_NOT_OF = {
    HTTP: ("to_bank", "from_bank"),
    FILES: ("payments_url", "recalls_url", "mailbox_url", "status_url", "authorization"),
}
_IN_STATUS = frozenset(("end_to_end_id", "uetr", "message_id"))


def bank_rail(
    settings: Settings,
    broker: Broker,
    partitions: int,
    *,
    parties: Parties | None = None,
    holds: Holds | None = None,
    status: StatusReader = as_it_is,
) -> BankRail:
    """The rail of `[rail] kind`, which is not the simulated one. Raises UsageError that names the
    key. `parties` = a look-up of terms instead of the signed ones and the file.
    """
    section = settings.rail
    if settings.time.simulated:
        raise UsageError(
            "settings: [rail] kind: a bank is not paid on a simulated timeline ([time] simulated)"
        )
    for key in _NEEDED[section.kind]:
        _need(bool(getattr(section, key)), key, f"is needed for kind {section.kind!r}")
    for key in _NOT_OF[section.kind]:
        _need(not getattr(section, key), key, f"means nothing for kind {section.kind!r}")
    desk = _desk(section)
    if parties is None:
        parties = AgreedParties(broker, partitions, _listed(section))
    return BankRail(_carrier(section, status), desk, parties, holds)


def _need(good: bool, key: str, reason: str) -> None:
    if not good:
        raise UsageError(f"settings: [rail] {key} {reason}")


def _desk(section: RailSection) -> Desk:
    system, colon, member = section.agent.partition(":")
    agent = Agent(clearing_system=system, member_id=member) if colon else Agent(bic=section.agent)
    for key, check in (
        ("agent", lambda: check_agent(agent, "agent")),
        ("initiator", lambda: take.text(section.initiator, "initiator", 140)),
        ("zone", lambda: zone(section.zone)),
    ):
        try:
            check()
        except RecordError as error:
            raise UsageError(f"settings: [rail] {key}: {error.reason}") from None
    name = f"iso20022-{agent.bic or agent.member_id}"
    return Desk(initiator=section.initiator, agent=agent, zone=section.zone, rail=name)


def _listed(section: RailSection) -> ListedParties | None:
    if not section.parties:
        return None
    try:
        data = Path(section.parties).read_bytes()
    except OSError as error:
        raise UsageError(f"settings: [rail] parties: {error.strerror}") from None
    return ListedParties(data, f"settings: [rail] parties {section.parties}")


def _carrier(section: RailSection, status: StatusReader) -> Carrier:
    folder = Path(section.folder)
    carrier: Carrier
    try:
        if section.kind == FILES:
            carrier = FolderBank(Path(section.to_bank), Inbox(Path(section.from_bank), folder))
        else:
            inbox = Inbox(folder / "waiting", folder, settle_s=0)
            carrier = HttpBank(_addresses(section), inbox, status=status)
        _check_folders(section)
    except OSError as error:
        raise UsageError(f"settings: [rail] folder {error.filename}: {error.strerror}") from None
    return carrier


def _addresses(section: RailSection) -> Addresses:
    for key in ("payments_url", "recalls_url", "mailbox_url", "status_url"):
        url = getattr(section, key)
        _need(not url or url.startswith(("http://", "https://")), key, "is no http(s) address")
    _check_status(section.status_url)
    _need(
        not (section.confirms and "?" in section.mailbox_url),
        "mailbox_url",
        "has a query: a message in it cannot be deleted by its id ([rail] confirms)",
    )
    return Addresses(
        payments=section.payments_url,
        recalls=section.recalls_url,
        mailbox=section.mailbox_url,
        status=section.status_url,
        confirms=section.confirms,
        headers={"Authorization": section.authorization} if section.authorization else {},
        timeout_s=section.timeout_s,
        poll_s=section.poll_ms / 1000,
    )


def _check_folders(section: RailSection) -> None:
    """They are there by now, but perhaps on a mount that cannot be written to; and whatever their
    names and links, no two may be one. Raises OSError.
    """
    ours, seen = Path(section.folder), dict[tuple[int, int], Path]()
    folders = [("folder", ours / one) for one in ("", "waiting", "received", "refused")]
    if section.kind == FILES:
        folders += [("from_bank", Path(section.from_bank)), ("to_bank", Path(section.to_bank))]
    for key, path in folders:
        good = os.access(path, os.R_OK | os.W_OK | os.X_OK, effective_ids=True)
        _need(good, key, f"{path} cannot be read and written")
        at = path.stat()
        other = seen.setdefault((at.st_dev, at.st_ino), path)
        _need(other is path, key, f"{path} is the same folder as {other}")


def _check_status(url: str) -> None:
    try:
        named = {name for _, name, _, _ in string.Formatter().parse(url) if name is not None}
    except ValueError:
        named = {url}
    good = not url or (named and named <= _IN_STATUS)
    _need(bool(good), "status_url", f"must name one of {', '.join(sorted(_IN_STATUS))} in braces")
