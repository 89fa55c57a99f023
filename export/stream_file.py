"""A plugin file that other people's hosts are to run: a stream that needs nothing beside it."""

from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from export.graph import ExportError
from realtime.contract import Facts, weights_sha256


def read_stream(path: Path) -> tuple[onnx.ModelProto, Facts]:
    """Read a streaming plugin file.

    Raises: ExportError, one line, where it cannot be read, is damaged, works on whole files only, or needs the vocoder
    before it.
    """
    model, facts = read_whole(path)
    if facts.kind != "stream":
        raise ExportError(
            f"{path} works on whole files only and cannot run as a plugin: export a causal run without --offline"
        )
    if facts.prestage_window_samples:
        raise ExportError(
            f"{path} needs the vocoder before it, which only deshift's own hosts run: use deshift live, or give a "
            "model of a direct recipe, such as light"
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
