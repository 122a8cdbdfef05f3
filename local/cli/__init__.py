"""`toolsmith`, the command line. The payload goes to stdout, progress to stderr.

Exit codes: 0 done, 1 the run or check failed, 2 the command was used wrongly (the message says how to use it rightly).
"""

from local.cli.main import main

__all__ = ["main"]
