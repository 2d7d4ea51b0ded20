"""The servers that this gateway is compared with; their sources and locks are in the folder peers/."""

import json
from pathlib import Path
from typing import Any

from tests.bench import events, programs
from tests.bench.contenders import VARIANTS, Contender, Place, single_or_lines

OTLP_PATH = "/v1/logs"


def sarama_single(codec: str = "lz4", linger: str = "0") -> Contender:
    """Go, net/http, sarama's SyncProducer: one event a request."""

    def command(place: Place) -> list[str | Path]:
        return [
            *(programs.ensure(programs.SARAMA_SINGLE), "-listen", f"127.0.0.1:{place.port}"),
            *("-brokers", place.bootstrap, "-topic", place.topic, "-compression", codec, "-linger", linger),
        ]

    return Contender("sarama", command, single_or_lines("/post"))


def franz_lines(linger: str) -> Contender:
    """Go, net/http, franz-go: JSONL, decoded by encoding/json and filtered by two fields."""

    def command(place: Place) -> list[str | Path]:
        return [
            *(programs.ensure(programs.FRANZ_LINES), "-listen", f"127.0.0.1:{place.port}"),
            *("-brokers", place.bootstrap, "-topic", place.topic, "-linger", linger),
        ]

    return Contender(f"franz-go, linger {linger}", command, single_or_lines("/lines"))


def collector() -> Contender:
    """The OpenTelemetry Collector: OTLP logs as JSON over HTTP, the filter processor, the Kafka exporter."""

    def command(place: Place) -> list[str | Path]:
        config = place.directory / "collector.yaml"
        config.write_text(json.dumps(collector_config(place)))  # JSON is YAML
        return [programs.ensure(programs.COLLECTOR), "--config", f"file:{config}"]

    def requests(count: int) -> tuple[bytes, ...]:
        variants = VARIANTS if count <= 100 else 1
        return tuple(events.post(OTLP_PATH, events.otlp(count, seed)) for seed in range(variants))

    return Contender("Collector", command, requests)


def collector_config(place: Place) -> dict[str, Any]:
    """An answer only after Kafka's, hence no queue; no linger, since each request waits for its own records."""
    wanted = 'attributes["status"] >= 400 and (attributes["method"] == "GET" or attributes["method"] == "POST")'
    kafka = {
        "brokers": place.bootstrap.split(","),
        "logs": {"topic": place.topic, "encoding": "raw"},
        "producer": {"compression": "lz4", "required_acks": -1, "linger": "0s"},
        "sending_queue": {"enabled": False},
        "timeout": "30s",
    }
    return {
        "receivers": {"otlp": {"protocols": {"http": {"endpoint": f"127.0.0.1:{place.port}"}}}},
        "processors": {"filter": {"logs": {"log_record": [f"not ({wanted})"]}}},
        "exporters": {"kafka": kafka},
        "service": {
            "pipelines": {"logs": {"receivers": ["otlp"], "processors": ["filter"], "exporters": ["kafka"]}},
            "telemetry": {"metrics": {"level": "none"}, "logs": {"level": "warn"}},
        },
    }
