"""`toolsmith env`: the environment with which other programs, such as the AWS CLI, reach the running local cloud."""

import shlex

from local.cli.failures import Misused
from local.cli.place import cloud_of


def run(arguments) -> int:
    cloud = cloud_of(arguments)
    if not cloud.running:
        raise Misused(f"no local cloud runs below {arguments.home}; start one with `toolsmith up`")
    for name, value in cloud.env().items():
        print(f"export {name}={shlex.quote(value)}")
    return 0
