"""The processes beside the host: ``python -m realtime.live.child engine|analyst|player TOKEN``.

Commands come as JSON lines, each is answered with one, and the end of the input means that the host is gone. What
others print goes to the standard error, so that nothing comes between the answers.
"""

from __future__ import annotations

import os
import sys


def main() -> None:
    """The process of one role."""
    role, token = sys.argv[1:3]
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    if role == "engine":
        from realtime.plugins.session import flush_denormals

        flush_denormals()  # first of all: threads and sessions that come later inherit it
        from realtime.live.engine_process import EngineProcess

        EngineProcess(token).run(sys.stdin.buffer, answers)
    elif role == "analyst":
        from realtime.live.analyst import Analyst

        Analyst(token).run(sys.stdin.buffer, answers)
    elif role == "player":
        from realtime.live.player_process import PlayerProcess

        PlayerProcess(token).run(sys.stdin.buffer, answers)
    else:
        raise SystemExit(f"no such role: {role}")
    answers.close()
    sys.stderr.flush()
    os._exit(0)  # PortAudio's own end hangs where its server is gone


if __name__ == "__main__":
    main()
