"""The cloud on a laptop: one loopback process that answers the AWS APIs this project uses.

    from local.cloud import Cloud
    with Cloud(data=Path(".toolsmith/cloud"), port=4566) as cloud:
        subprocess.run(["sam", "deploy", ...], env={**os.environ, **cloud.env()})

Rooms: `process` starts and stops it, `server` puts it together, `emulator` is the only seam to
MiniStack, `lambdas` runs functions, `training` and `sagemaker` run jobs, `bedrock*` serve models,
`states` mounts the state-machine interpreter, `identity` hands out the credentials of roles.
"""

from local.cloud.process import Cloud, CloudError
from local.cloud.settings import Settings

__all__ = ["Cloud", "CloudError", "Settings"]
