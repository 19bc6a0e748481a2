"""Where results land: DuckDB and the payment rail. Never sees Kafka."""
