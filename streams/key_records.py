"""Writes what is to be known of keys: KEY records, on every partition in one transaction."""

import hashlib
import time
from pathlib import Path

import msgspec

from supplytwin.processors.keys import KeyRecord, body_of, keys_of
from supplytwin.schemas import codec
from supplytwin.schemas.errors import UsageError
from supplytwin.schemas.ids import Micros
from supplytwin.schemas.records import CONTROL, Control
from supplytwin.schemas.signing import SECRET_BYTES
from supplytwin.streams import ticker
from supplytwin.streams.ports import Broker
from supplytwin.streams.redrive import OPERATOR_ID
from supplytwin.streams.topics import Meta

_INIT_S = 30.0


def publish(broker: Broker, meta: Meta, record: KeyRecord, at: int) -> str:
    """Put `record` on every partition, in one transaction; its input id. `at` = now, us.

    Raises RecordError that names the field of one that workers would refuse; nothing is written.
    """
    body = body_of(record)
    control = Control(
        input_id=f"key:{hashlib.sha256(body).hexdigest()[:16]}",
        kind="KEY",
        tick_time=Micros(at),
        timeline=meta.timeline,
        body=body,
    )
    keys_of(control)
    producer = broker.producer(OPERATOR_ID)
    try:
        producer.init(_INIT_S)
        value = codec.encode(CONTROL, control)
        ticker.write(producer, value, meta.partitions, time.monotonic() + _INIT_S, at)
    finally:
        producer.close()
    return control.input_id


def secrets_of(path: str) -> dict[str, bytes]:
    """The shared secrets of HMAC keys in a JSON file: kid -> at least 64 hex digits; "" = none.

    Raises UsageError that names the kid.
    """
    if not path:
        return {}
    where = f"[keys] hmac_secrets {path}"
    try:
        said = msgspec.json.decode(Path(path).expanduser().read_bytes(), type=dict[str, str])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{where} is no JSON of kid -> hex digits: {error}") from None
    found: dict[str, bytes] = {}
    for kid, text in said.items():
        try:
            found[kid] = bytes.fromhex(text)
        except ValueError:
            raise UsageError(f"{where}: the secret of {kid[:64]!r} is not in hex digits") from None
        if len(found[kid]) < SECRET_BYTES:
            has, needs = len(found[kid]), SECRET_BYTES
            raise UsageError(f"{where}: the secret of {kid[:64]!r} has {has} bytes, needs {needs}")
    return found
