"""Producers that do nothing but commit, until they are killed: `committers.py BOOTSTRAP TOPIC N`.

Producer n writes one record to partition n of the topic and commits, again and again, so that at
any moment some transaction of the N has been decided and has not yet got its markers.
"""

import sys
import threading

from confluent_kafka import Producer

from supplytwin.streams.kafka_errors import client_log


def commit(bootstrap: str, topic: str, number: int) -> None:
    """Until the client gives up, or the process ends."""
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "transactional.id": f"committer.{number}",
            "transaction.timeout.ms": 10_000,
            "linger.ms": 0,
        },
        logger=client_log,
    )
    producer.init_transactions(30.0)
    while True:
        producer.begin_transaction()
        producer.produce(topic, value=b"committed", partition=number)
        producer.commit_transaction(60.0)


if __name__ == "__main__":
    bootstrap, topic, count = sys.argv[1:]
    threads = [
        threading.Thread(target=commit, args=(bootstrap, topic, number))
        for number in range(int(count))
    ]
    for thread in threads:
        thread.start()
