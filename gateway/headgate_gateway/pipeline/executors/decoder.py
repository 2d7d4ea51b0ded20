"""`decoder`: makes fields of the text in one field. The formats are in `formats/`."""

from collections.abc import Callable

from headgate_gateway.config.executors import Decoder, DecoderFormat, OnFailure
from headgate_gateway.pipeline.executors.context import ExecutorContext
from headgate_gateway.pipeline.executors.formats.json_object import compile_json
from headgate_gateway.pipeline.executors.formats.logfmt import compile_logfmt
from headgate_gateway.pipeline.executors.formats.nginx import compile_nginx
from headgate_gateway.pipeline.executors.formats.reader import ReadText
from headgate_gateway.pipeline.executors.formats.regex import compile_regex
from headgate_gateway.pipeline.executors.formats.table import compile_csv, compile_tsv
from headgate_gateway.pipeline.executors.paths import compile_read, compile_take, compile_target
from headgate_gateway.pipeline.steps import Answer, Event, Reject, Step

_FORMATS: dict[DecoderFormat, Callable[[Decoder], ReadText]] = {
    DecoderFormat.JSON: compile_json,
    DecoderFormat.LOGFMT: compile_logfmt,
    DecoderFormat.CSV: compile_csv,
    DecoderFormat.TSV: compile_tsv,
    DecoderFormat.NGINX_COMBINED: compile_nginx,
    DecoderFormat.REGEX: compile_regex,
}


def compile_decoder(config: Decoder, context: ExecutorContext) -> Step:
    """Decoded fields go over those that the event has."""
    read_text = _FORMATS[config.format](config)
    read, take, target = compile_read(config.field), compile_take(config.field), compile_target(config.into)
    keeps_source, keeps_failed = config.keep_source, config.on_failure is OnFailure.KEEP
    not_text = Reject(f"field {config.field!r} holds no text")
    wrong = f"field {config.field!r} cannot be decoded as {config.format.value}: "

    def decode(event: Event) -> Answer:
        text = read(event)
        if text.__class__ is not str:
            return event if keeps_failed else not_text
        fields = read_text(text)
        if isinstance(fields, str):
            return event if keeps_failed else Reject(wrong + fields)
        if not keeps_source:
            take(event)
        holder = target(event)
        if isinstance(holder, Reject):
            return holder
        holder.update(fields)
        return event

    return decode
