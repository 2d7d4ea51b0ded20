"""A durable queue on disk between HTTP and Kafka. One directory per process; nothing reported durable is ever lost."""
