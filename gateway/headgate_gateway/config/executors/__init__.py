"""What a repo's executors are told: one type for each step, and Executor, which is exactly one of them.

What a step does at run time is compiled in `headgate_gateway.pipeline.executors`.
"""

from headgate_gateway.config.executors.cast import CastField, CastFields, CastType
from headgate_gateway.config.executors.common import OnBadField, OnFailure
from headgate_gateway.config.executors.cutting import Assigner, Splitter
from headgate_gateway.config.executors.decoder import Decoder, DecoderFormat
from headgate_gateway.config.executors.executor import STEP_NAMES, Executor, Executors, Filter, hash_keys
from headgate_gateway.config.executors.explode import Explode
from headgate_gateway.config.executors.fields import RemoveFields, RenameField, RenameFields, SetField, SetFields
from headgate_gateway.config.executors.mask import KeyedHash, Mask, Redact
from headgate_gateway.config.executors.plugin import Plugin
from headgate_gateway.config.executors.sample import Sample
from headgate_gateway.config.executors.timestamp import ParseTimestamp

__all__ = [
    "STEP_NAMES",
    "Assigner",
    "CastField",
    "CastFields",
    "CastType",
    "Decoder",
    "DecoderFormat",
    "Executor",
    "Executors",
    "Explode",
    "Filter",
    "KeyedHash",
    "Mask",
    "OnBadField",
    "OnFailure",
    "ParseTimestamp",
    "Plugin",
    "Redact",
    "RemoveFields",
    "RenameField",
    "RenameFields",
    "Sample",
    "SetField",
    "SetFields",
    "Splitter",
    "hash_keys",
]
