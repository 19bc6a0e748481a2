"""The canonical work on Faust, at least once (its default); runs in an environment of its own.

Arguments: bootstrap, input topic, output topic, application id, task file (JSON), how many records.
"""

import io
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import fastavro
import faust
from mode import Worker

HEADER, OUT_HEADER, PARTITIONS = 5, b"\0\0\0\0\2", 4


def build(
    bootstrap: str, source: str, out: str, name: str, task: dict[str, Any], count: int
) -> Any:
    """An application that prints its figures and ends when it has done `count` records."""
    app = faust.App(
        name,
        broker=f"kafka://{bootstrap}",
        store="memory://",
        topic_partitions=PARTITIONS,
        topic_replication_factor=1,
        topic_disable_leader=True,
        web_enabled=False,
        datadir=tempfile.mkdtemp(),
        consumer_auto_offset_reset="earliest",
        producer_compression_type="lz4",
        producer_linger=0.02,
        producer_max_batch_size=1 << 18,
        stream_wait_empty=False,
    )
    raw = {"key_type": bytes, "value_type": bytes, "key_serializer": "raw",
           "value_serializer": "raw"}  # fmt: skip
    events = app.topic(source, **raw)
    written = app.topic(out, partitions=PARTITIONS, **raw)
    tallies = app.Table("tallies", partitions=PARTITIONS)
    read, write = map(fastavro.parse_schema, (task["in"], task["out"]))
    bit = {kind: 1 << at for at, kind in enumerate(task["types"])}
    wanted = frozenset(task["wanted"])

    @app.agent(events)
    async def tally(stream: Any) -> None:
        done, wall, cpu = 0, 0.0, 0.0
        async for key, value in stream.items():
            if not done:
                wall, cpu = time.perf_counter(), time.process_time()
            event: Any = fastavro.schemaless_reader(io.BytesIO(value[HEADER:]), read)
            chain, kind, at = event["chain_id"], event["event_type"], event["event_time"]
            number, last, mass, bits = tallies.get(chain) or (0, 0, 0.0, 0)
            number, mass = number + 1, mass + (event["mass_kg"] or 0.0)
            tallies[chain] = [number, max(last, at), mass, bits | bit[kind]]
            if kind in wanted:
                into = io.BytesIO(OUT_HEADER)
                into.seek(len(OUT_HEADER))
                made = {"event_id": event["event_id"], "chain_id": chain, "event_type": kind,
                        "event_time": at, "count": number, "mass_kg": mass}  # fmt: skip
                fastavro.schemaless_writer(into, write, made)
                written.send_soon(key=key, value=into.getvalue())
            done += 1
            if done == count:
                await app.producer.flush()
                await app.consumer.commit()
                wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
                found = {"events": done, "wall_s": round(wall, 3), "cpu_s": round(cpu, 3)}
                sys.stdout.write(json.dumps(found) + "\n")
                sys.stdout.flush()
                os._exit(0)

    return app


def main(bootstrap: str, source: str, out: str, name: str, task: str, count: str) -> None:
    """From the first record to the commit of the last one."""
    app = build(bootstrap, source, out, name, json.loads(Path(task).read_text()), int(count))
    app.finalize()
    Worker(app, loglevel="ERROR", redirect_stdouts=False).execute_from_commandline()


if __name__ == "__main__":
    main(*sys.argv[1:])
