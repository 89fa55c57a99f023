"""The one error of an evaluation."""


class EvaluateError(ValueError):
    """An evaluation that cannot be made; the message is one line that says what to do."""
