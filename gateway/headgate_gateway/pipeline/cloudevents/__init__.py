"""CloudEvents 1.0.2 over HTTP, in binary, structured and batch mode, and their records in Kafka's binary mode.

Pure. `formats` makes an endpoint's form of it; `http.ingest` asks it for the mode of a request. Sources: the HTTP and
Kafka protocol bindings and the JSON event format, https://github.com/cloudevents/spec.
"""

from headgate_gateway.pipeline.cloudevents.modes import Mode, mode_of

__all__ = ["Mode", "mode_of"]
