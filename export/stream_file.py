"""A plugin file that other people's hosts are to run: a stream that needs nothing beside it."""

from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from export.graph import ExportError
from realtime.contract import Facts, weights_sha256


def read_stream(path: Path) -> tuple[onnx.ModelProto, Facts]:
    """Read a streaming plugin file.

    Raises: ExportError, one line, where it cannot be read, is damaged, or works on whole files only.
    """
    model, facts = read_whole(path)
    if facts.kind != "stream":
        raise ExportError(
            f"{path} works on whole files only and cannot run as a plugin: export a causal run without --offline"
        )
    return model, facts


def read_whole(path: Path) -> tuple[onnx.ModelProto, Facts]:
    """Read any plugin file. Raises: ExportError, one line, where it cannot be read or is damaged."""
    try:
        content = path.read_bytes()
        model: onnx.ModelProto = onnx.load_from_string(content)
        facts = Facts.parse({entry.key: entry.value for entry in model.metadata_props})
        digest = weights_sha256(content)
    except OSError as error:
        raise ExportError(f"{path} cannot be read: {error.strerror or error}") from error
    except DecodeError as error:
        raise ExportError(f"{path}: not an ONNX file, or cut short: export it again") from error
    except ValueError as error:
        raise ExportError(f"{path}: {error}") from error
    if digest != facts.weights_sha256:
        raise ExportError(f"{path}: damaged: its weights do not match their hash: export it again")
    return model, facts
