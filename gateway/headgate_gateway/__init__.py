"""The gateway: takes events over HTTP and answers once Kafka has them."""

__version__ = "0.1.0"
