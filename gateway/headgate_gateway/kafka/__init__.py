"""Accumulates records into batches, brings them to Kafka, and says what became of each. The only aiokafka import."""
