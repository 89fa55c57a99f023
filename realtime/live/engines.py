"""TensorRT's engines before a session: building one takes a minute, which no session may stand still for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from realtime.live import assemble
from realtime.live.settings import LiveSettings
from realtime.plugins.providers import ProviderError

if TYPE_CHECKING:
    from realtime.trust import TrustedFile


def model_files(settings: LiveSettings) -> list[TrustedFile]:
    """The plugin files that the session's chain is made of. Raises: ValueError, one line, where one cannot be read."""
    if settings.preset is not None:
        from realtime.plugins.presets import load_preset

        return list(load_preset(settings.preset).model_files().values())
    from realtime.bundled import find_model
    from realtime.trust import read_plugin_file

    return [read_plugin_file(find_model(settings.model))]


def unbuilt(settings: LiveSettings) -> list[TrustedFile]:
    """Those of the files whose engine is absent or damaged: none where another provider runs them.

    Raises: ProviderError where TensorRT cannot run here at all.
    """
    if settings.provider != "tensorrt":
        return []
    from realtime.plugins.session import engine_of, require_provider

    require_provider("tensorrt")
    return [file for file in model_files(settings) if engine_of(file, settings.channels).state() != "built"]


def build(settings: LiveSettings) -> None:
    """Build what is unbuilt; the log "deshift" says that it takes a while.

    Raises: ValueError, one line, where a model cannot be loaded.
    """
    if unbuilt(settings):
        assemble.load_chain(settings)


def load_built_chain(settings: LiveSettings) -> assemble.LoadedChain:
    """As `assemble.load_chain`, but nothing is built: for a process that plays.

    Raises: ValueError (ProviderError), one line; where an engine is missing, it says how to get it.
    """
    for file in unbuilt(settings):
        raise ProviderError(
            f"{file.path}: no TensorRT engine was built for it on this GPU yet: run once, for a minute, "
            f"`deshift bench {file.path} --provider tensorrt --channels {settings.channels}`"
        )
    return assemble.load_chain(settings)
