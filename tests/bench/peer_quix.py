"""The canonical work on Quix Streams, exactly once; runs in an environment of its own.

Arguments: bootstrap, input topic, output topic, group, task file (JSON), how many records.
"""

import io
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import fastavro
from quixstreams import Application

HEADER, OUT_HEADER = 5, b"\0\0\0\0\2"


class Work:
    """One event after the other; ends the application at the last one."""

    def __init__(self, task: dict[str, Any], count: int) -> None:
        self._in, self._out = map(fastavro.parse_schema, (task["in"], task["out"]))
        self._bits = {name: 1 << at for at, name in enumerate(task["types"])}
        self._wanted = frozenset(task["wanted"])
        self._left = count
        self.stop: Any = None
        self.wall = self.cpu = 0.0

    def take(self, value: bytes, state: Any) -> bytes | None:
        """Tally one event; the output record when its type is a wanted one."""
        if not self.wall:
            self.wall, self.cpu = time.perf_counter(), time.process_time()
        self._left -= 1
        if self._left == 0:
            self.stop()  # `run(count=)` would count outputs
        event: Any = fastavro.schemaless_reader(io.BytesIO(value[HEADER:]), self._in)
        count, last, mass, bits = state.get("tally") or (0, 0, 0.0, 0)
        kind, at = event["event_type"], event["event_time"]
        count, mass = count + 1, mass + (event["mass_kg"] or 0.0)
        state.set("tally", [count, max(last, at), mass, bits | self._bits[kind]])
        if kind not in self._wanted:
            return None
        found = {name: event[name] for name in ("event_id", "chain_id", "event_type", "event_time")}
        into = io.BytesIO(OUT_HEADER)
        into.seek(len(OUT_HEADER))
        fastavro.schemaless_writer(into, self._out, {**found, "count": count, "mass_kg": mass})
        return into.getvalue()


def main(bootstrap: str, source: str, out: str, group: str, task: str, count: str) -> None:
    """From the first record to the last checkpoint."""
    work = Work(json.loads(Path(task).read_text()), int(count))
    with tempfile.TemporaryDirectory() as folder:
        app = Application(
            broker_address=bootstrap,
            consumer_group=group,
            auto_offset_reset="earliest",
            processing_guarantee="exactly-once",
            state_dir=folder,
            loglevel="ERROR",
            producer_extra_config={"compression.type": "lz4"},
        )
        work.stop = app.stop
        read = app.topic(source, value_deserializer="bytes", key_deserializer="bytes")
        written = app.topic(out, value_serializer="bytes", key_serializer="bytes")
        frame = app.dataframe(read).apply(work.take, stateful=True)
        frame = frame.filter(lambda value: value is not None)
        frame.to_topic(written)
        app.run()
        wall, cpu = time.perf_counter() - work.wall, time.process_time() - work.cpu
    found = {"events": int(count), "wall_s": round(wall, 3), "cpu_s": round(cpu, 3)}
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
