"""Format JSON: the text is a JSON object, read as lines are."""

import msgspec

from headgate_gateway.config.executors import Decoder
from headgate_gateway.pipeline.executors.formats.reader import ReadText
from headgate_gateway.pipeline.steps import Event


def compile_json(config: Decoder) -> ReadText:
    """A reader of objects. Of repeated keys the last counts."""
    decode = msgspec.json.Decoder(Event).decode

    def read(text: str) -> Event | str:
        try:
            return decode(text)
        except msgspec.ValidationError as error:
            return "it is JSON, but not an object" if "Expected `object`" in str(error) else str(error)
        except msgspec.DecodeError as error:
            return str(error)
        except RecursionError:
            return "it nests too deeply"

    return read
