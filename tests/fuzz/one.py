"""One target in this process, until its time is over or it breaks. Called by `__main__`, with libFuzzer's options."""

import logging
import sys

import atheris

with atheris.instrument_imports(include=["headgate_gateway"]):
    from tests.fuzz.targets import TARGETS

if __name__ == "__main__":
    logging.disable()  # a refused request is told, and here nearly all are
    target = TARGETS[sys.argv.pop(1)]
    atheris.Setup(sys.argv, target)
    atheris.Fuzz()
