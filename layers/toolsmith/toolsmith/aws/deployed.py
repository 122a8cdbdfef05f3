"""The model that the stack deployed, found through its SSM parameter and asked through Converse."""

from collections.abc import Mapping
from typing import Any

from toolsmith.errors import NothingDeployed

NONE = "none"


class DeployedModel:
    """Answers with the content blocks of one Converse call. Raises NothingDeployed until a run has deployed a model."""

    def __init__(self, ssm: Any, runtime: Any, parameter: str) -> None:
        self._runtime = runtime
        self.arn: str = ssm.get_parameter(Name=parameter)["Parameter"]["Value"]
        if self.arn == NONE:
            raise NothingDeployed(
                f"no model is deployed yet ({parameter} is {NONE!r}): a run that passes its gates deploys one; "
                "drop documents, and follow them with `toolsmith watch`"
            )

    def say(self, system: str, question: str, tools: Mapping[str, Any]) -> list[dict[str, Any]]:
        answer = self._runtime.converse(
            modelId=self.arn,
            system=[{"text": system}],
            messages=[{"role": "user", "content": [{"text": question}]}],
            toolConfig=tools,
            inferenceConfig={"maxTokens": 512, "temperature": 0},
        )
        return answer["output"]["message"]["content"]
