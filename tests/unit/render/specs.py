"""Random specs of repos and profiles, all of them valid: for what must hold whatever users write."""

from typing import Any

from hypothesis import strategies as st

_WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=12)
_FIELDS = st.sampled_from(["status", "request.host", "a", "é.ü"])


def _some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """An object with any of these fields."""
    return st.fixed_dictionaries({}, optional=fields)


_EXPRESSIONS = st.one_of(
    st.fixed_dictionaries({"field": _FIELDS, "operator": st.sampled_from(["Exists", "DoesNotExist"])}),
    st.fixed_dictionaries(
        {
            "field": _FIELDS,
            "operator": st.sampled_from(["In", "NotIn", "Prefix"]),
            "values": st.lists(st.integers(-(2**63), 2**63 - 1) | _WORDS, min_size=1, max_size=3),
        }
    ),
    st.fixed_dictionaries(
        {"field": _FIELDS, "operator": st.sampled_from(["Ge", "Lt"]), "values": st.sampled_from([[400], ["0.5"]])}
    ),
)
_HEADERS = st.one_of(
    st.fixed_dictionaries({"name": _WORDS, "value": _WORDS}), st.fixed_dictionaries({"name": _WORDS, "field": _FIELDS})
)
_ENDPOINTS = st.builds(
    lambda path, way: {"path": path} | way,
    st.sampled_from(["/log/repo/access", "/a", "/v1/b:c"]),
    st.sampled_from(
        [
            {},
            {"response": "Empty"},
            {"format": "CloudEvents", "overLimitStatus": 429},
            {"format": "Text", "topicHeader": {"name": "topic", "topics": ["a", "b"]}},
            {"format": "JSON", "response": "Offset"},
            {"format": "JSON", "response": "Receipt", "envelope": "BodyData"},
        ]
    ),
)
_RULES = st.fixed_dictionaries(
    {"when": st.lists(_EXPRESSIONS, min_size=1, max_size=2), "topic": st.sampled_from(["access", "errors"])},
    optional={"producerProfile": st.just("main")},
)
_EXECUTORS = st.sampled_from(
    [
        {"decoder": {"format": "CSV", "columns": ["a", "", "é"], "separator": ";"}},
        {"splitter": {"field": "a", "separator": "|"}},
        {"assigner": {"field": "a", "names": ["x", ""], "keepSource": True}},
        {"set": {"fields": [{"field": "a", "json": "1"}, {"field": "b", "from": "a"}]}},
        {"rename": {"fields": [{"from": "a", "to": "b"}]}},
        {"cast": {"fields": [{"field": "a", "type": "Integer"}], "onFailure": "Keep"}},
        {"timestamp": {"field": "a"}},
        {"mask": {"fields": ["a"], "redact": {}}},
        {"mask": {"fields": ["a"], "hash": {"secretRef": {"name": "mask"}, "key": "k"}}},
        {"sample": {"percent": 10}},
        {"sample": {"percent": "0.5", "field": "a"}},
        {"plugin": {"name": "mine", "config": {"b": "1", "a": "2"}}},
    ]
)

repo_specs = st.fixed_dictionaries(
    {
        "kafka": st.fixed_dictionaries(
            {"producerProfile": st.just("main"), "topic": st.sampled_from(["access", "a.b_c-d"])},
            optional={
                "key": st.fixed_dictionaries({"field": _FIELDS}),
                "headers": st.lists(_HEADERS, max_size=3),
                "timestamp": st.fixed_dictionaries(
                    {"field": _FIELDS}, optional={"format": st.sampled_from(["RFC3339", "UnixSeconds"])}
                ),
                "topics": st.lists(_RULES, max_size=2),
                "deadLetter": st.sampled_from([{"topic": "dead"}, {"topic": "dead", "producerProfile": "main"}]),
            },
        )
    },
    optional={
        "endpoints": st.lists(_ENDPOINTS, max_size=3, unique_by=lambda endpoint: endpoint["path"]),
        "constraint": st.fixed_dictionaries(
            {"matchExpressions": st.lists(_EXPRESSIONS, min_size=1, max_size=3)},
            optional={"onMismatch": st.sampled_from(["Drop", "Reject"])},
        ),
        "executors": st.lists(_EXECUTORS, max_size=4),
        "auth": st.sampled_from([{"basic": {"secretRef": {"name": "users"}}}]),
        "partial": st.sampled_from(["Reject", "Accept"]),
        "limits": _some(
            bodyBytes=st.sampled_from(["1Mi", 2_000_000]),
            lineBytes=st.sampled_from(["1Ki", 512]),
            perGateway=_some(requestsPerSecond=st.just(5), bytesPerSecond=st.just("1Mi")),
        ),
        "rollout": st.sampled_from([{}, {"strategy": "Immediate"}, {"steps": [{"weight": 3}]}]),
    },
)
"""`spec` of an EventRepo named `access` on the profile `main`."""

_SECURITY = st.sampled_from(
    [
        {},
        {"tls": {}},
        {"tls": {"caSecretRef": {"name": "ca", "key": "other.crt"}, "clientCertificateSecretRef": {"name": "client"}}},
        {"tls": {}, "sasl": {"mechanism": "PLAIN", "secretRef": {"name": "kafka", "usernameKey": "u"}}},
        {"sasl": {"mechanism": "OAUTHBEARER", "secretRef": {"name": "kafka"}}},
    ]
)

profile_specs = st.builds(
    lambda settings, security: settings | security,
    _some(
        bootstrapServers=st.sampled_from([["b:9092"], ["[::1]:9092", "c:1"]]),
        acks=st.sampled_from(["all", "leader"]),
        compression=st.sampled_from([{"type": "none"}, {"type": "zstd", "level": 3}, {"type": "lz4"}]),
        flush=st.sampled_from([{}, {"messages": 5, "frequency": "20ms"}, {"bytes": "1Ki", "frequency": "1s500ms"}]),
        deliveryTimeout=st.sampled_from(["10s", "45500ms", "30s"]),
        maxBufferBytes=st.sampled_from(["16Mi", 2**25]),
        allowedTopics=st.just(["*"]),
    ),
    _SECURITY,
)
"""`spec` of a KafkaProducerProfile."""

SECRETS = {
    "ca": {"other.crt": b"pem"},
    "client": {"tls.crt": b"cert", "tls.key": b"key"},
    "kafka": {"u": b"user", "password": b"p", "token": b"t"},
}
"""All Secrets that profiles may name."""

REPO_SECRETS = {("team", "users"): {"u": b"p"}, ("team", "mask"): {"k": b"0123456789abcdef"}}
"""All Secrets that repos may name."""
