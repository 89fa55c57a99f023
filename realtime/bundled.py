"""The models that come with deshift: plugin files in `realtime/models/`, known by their file names."""

from __future__ import annotations

from pathlib import Path

from realtime.contract import ContractError

FOLDER = Path(__file__).parent / "models"
DEFAULT_FILE = "default.txt"


def bundled_models(folder: Path = FOLDER) -> dict[str, Path]:
    """Name -> plugin file, sorted by name; empty where none came with this installation."""
    return {path.stem: path for path in sorted(folder.glob("*.onnx"))}


def default_name(folder: Path = FOLDER, for_files: bool = False) -> str:
    """The model that is used when none is named: the only one, or the one that default.txt names.

    The first word of default.txt is the default for streams, whose latency counts; the second, where there is one, the
    default for whole files, which a longer hop works through in less time.

    Raises: ContractError where there is none.
    """
    models = bundled_models(folder)
    if not models:
        raise ContractError("no model came with this installation: name a plugin file (.onnx)")
    if len(models) == 1:
        return next(iter(models))
    note = folder / DEFAULT_FILE
    names = note.read_text(encoding="utf-8").split() if note.is_file() else []
    name = names[1] if for_files and len(names) > 1 else names[0] if names else ""
    if name not in models:
        raise ContractError(f"{note} must name the default model, one of: {', '.join(models)}")
    return name


def find_model(name_or_path: str | Path | None = None, folder: Path = FOLDER) -> Path:
    """The plugin file that is meant: a path, the name of a bundled model, or nothing for the default model.

    Raises: ContractError where there is no such file or model.
    """
    models = bundled_models(folder)
    if name_or_path is None:
        return models[default_name(folder)]
    path = Path(name_or_path)
    if str(name_or_path) in models:
        return models[str(name_or_path)]
    if path.exists():
        return path
    known = f"the bundled models are: {', '.join(models)}" if models else "no model came with this installation"
    raise ContractError(f"{name_or_path}: no such plugin file, and {known}")
