#!/usr/bin/env python3
"""Serves a GGUF file behind llama.cpp's OpenAI-compatible server, on loopback, until it is interrupted.

    python examples/smollm2/serve.py lemma.gguf --port 8001

Needs `xllamacpp`.
"""

from __future__ import annotations

import argparse
import os
import time

# threads that wait shall sleep: spinning, they take the cores from whatever else runs. Read when the library is loaded
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("GOMP_SPINCOUNT", "0")

import xllamacpp


def main() -> None:
    """Reads the arguments and serves."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("--name", default="smollm2", help="what the model is called")
    parser.add_argument("--port", type=int, default=8001)
    parser.add_argument("--slots", type=int, default=8, help="calls worked on at once")
    parser.add_argument("--context", type=int, default=768, help="tokens of prompt and reply")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    params = xllamacpp.CommonParams()
    params.model.path = arguments.file
    params.model_alias = {arguments.name}
    params.port = arguments.port
    params.n_parallel = arguments.slots
    params.n_ctx = arguments.slots * arguments.context
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = arguments.threads
    params.cache_ram_mib = 0
    params.verbosity = 0
    server = xllamacpp.Server(params)
    print(f"listening on {server.listening_address}/v1", flush=True)
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        os._exit(0)


if __name__ == "__main__":
    main()
