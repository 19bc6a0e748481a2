"""A measured process: `child.py ROLE ARGUMENTS` (JSON). It says its results as lines of JSON."""

import json
import sys
from importlib import import_module

from measure import end_with_parent

from supplytwin.streams.observe import configure_logging

ROLES = {
    "carbon": "carbon_recompute:measure",
    "floor": "engines:floor",
    "worker": "engines:worker",
    "restore": "engines:restore",
    "serve": "engines:serve",
    "bare_read": "kafka_tools:bare_read",
    "feed_steady": "latency:feed_steady",
    "pipeline_worker": "pipeline_kafka:worker",
    "pipeline_gateway": "pipeline_kafka:gateway",
    "pipeline_restore": "pipeline_kafka:restore",
    "pipeline_memory": "pipeline_memory:run",
    "feed_pipeline": "pipeline_latency:feed",
    "feed_full_terms": "settlement_latency:feed",
    "settlement_cuts": "settlement_cuts:measure",
    "sensor_cpu": "sensor_fold:cpu",
    "sensor_memory": "sensor_fold:memory",
}


def main() -> None:
    """Run one role."""
    end_with_parent()
    configure_logging("error")
    module, _, name = ROLES[sys.argv[1]].partition(":")
    getattr(import_module(module), name)(**json.loads(sys.argv[2]))


if __name__ == "__main__":
    main()
