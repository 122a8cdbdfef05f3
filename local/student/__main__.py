"""`python -m local.student` runs the training job of the environment; `serve --model DIR` answers requests."""

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("OMP_NUM_THREADS", "1")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m local.student", description=__doc__)
    modes = parser.add_subparsers(dest="mode")
    server = modes.add_parser("serve", help="answer JSON lines from standard input")
    server.add_argument("--model", type=Path, help="a Hugging Face model directory; the base model if left out")
    options = parser.parse_args(arguments)
    if options.mode == "serve":
        from local.student.serve import serve

        serve(options.model)
        return 0
    from local.student.job import run

    return run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
