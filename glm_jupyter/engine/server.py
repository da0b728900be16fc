"""The engine's child process: llama.cpp's server around one model, for one parent.

Run as a script. The first line on standard input is its settings as JSON (the key is among
them: a command line could be read by others); the address goes out as one line of JSON on
standard output. It ends when standard input does, that is, when the parent stops or dies.
"""

import json
import os
import sys
import threading
import time


def main() -> None:
    """Serve until the parent is gone."""
    settings = json.loads(sys.stdin.buffer.readline())
    # Nothing that a library prints may get between the parent and the address.
    report = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    threading.Thread(target=_end_with_parent, args=(settings["parent"],), daemon=True).start()

    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = settings["file"]
    params.model_alias = {settings["name"]}
    params.hostnames = ["127.0.0.1"]
    params.port = 0  # any free one
    params.api_keys = [settings["key"]]
    params.n_ctx = settings["context"]
    params.n_parallel = settings["parallel"]
    params.kv_unified = True  # the requests share one window's memory
    params.cache_ram_mib = 256
    params.cpuparams.n_threads = settings["threads"]
    params.cpuparams_batch.n_threads = settings["threads"]
    if settings["temperature"] is not None:
        params.sampling.temp = settings["temperature"]
    params.use_jinja = True  # templates with tools
    params.ui = False
    params.endpoint_slots = False
    params.verbosity = 2  # warnings
    server = xllamacpp.Server(params)
    print(json.dumps({"url": server.listening_address}), file=report, flush=True)
    while True:
        time.sleep(3600)


def _end_with_parent(parent: int) -> None:
    threading.Thread(target=_end_with_input, daemon=True).start()
    # A process that the parent forked may hold the pipe open after the parent's death. On
    # Windows there is no fork, and the parent may be a launcher in between.
    while os.name != "posix" or os.getppid() == parent:
        time.sleep(1)
    os._exit(0)


def _end_with_input() -> None:
    while sys.stdin.buffer.read(4096):
        pass
    os._exit(0)


if __name__ == "__main__":
    main()
