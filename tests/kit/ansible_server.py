# SPDX-License-Identifier: GPL-3.0-or-later
"""A process that has imported Ansible, and is forked for each run of ansible-playbook that it is asked for.

Started by ansible_fork.py, with the number of a socket. A request is the words of the command and the folder that it
begins in, with three files: for its output, its errors, and the number and then the exit code of its process.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import json
import os
import signal
import socket
import sys

# Ansible imports some of its own when it needs them, which is in almost every run.
from ansible import constants
from ansible.cli.playbook import main
from ansible.utils.path import cleanup_tmp_file

# More than a request can be long.
LONGEST = 1 << 20


def play(words: list[str], folder: str, out: int, err: int) -> int:
    """Be the program ansible-playbook; return its exit code."""
    # The folder for what a run writes: Ansible makes it as it is imported, and deletes it as its process ends.
    constants.set_constant("DEFAULT_LOCAL_TMP", constants.config.get_config_value("DEFAULT_LOCAL_TMP"))
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.chdir(folder)
    sys.argv = words
    try:
        main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    raise AssertionError("Ansible ends by itself")


def reap(*_: object) -> None:
    """Forget the processes that have ended; what they took of the processor is counted by then."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def serve(requests: socket.socket) -> None:
    """Fork for each request; return in a process that was forked, as it ends, and when there are no more requests."""
    while True:
        asked, files, _, _ = socket.recv_fds(requests, LONGEST, 3)
        if not asked:
            return
        if os.fork():
            for file in files:
                os.close(file)
            continue
        requests.close()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for file in files:
            os.set_inheritable(file, False)
        out, err, answer = files
        os.write(answer, b"%d\n" % os.getpid())
        request = json.loads(asked)
        code = play(request["words"], request["folder"], out, err)
        os.write(answer, b"%d" % code)
        sys.exit(code)


if __name__ == "__main__":
    # That of this process, which is not used, goes at once, and is nothing that others delete as they end.
    atexit.unregister(cleanup_tmp_file)
    cleanup_tmp_file(constants.DEFAULT_LOCAL_TMP)
    signal.signal(signal.SIGCHLD, reap)
    gc.collect()
    gc.freeze()
    serve(socket.socket(fileno=int(sys.argv[1])))
