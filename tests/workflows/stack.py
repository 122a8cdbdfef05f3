"""template.yaml as deployed: functions with their handler and variables, machines with their definition filled in."""

import functools
import re
from dataclasses import dataclass
from typing import Any

from tests.template.loading import ROOT, template

ACCOUNT, REGION, NAME = "000000000000", "us-east-1", "toolsmith"
PSEUDO = {"AWS::Region": REGION, "AWS::AccountId": ACCOUNT, "AWS::StackName": NAME, "AWS::Partition": "aws"}
NAMES = {"IntakeBucket": "intake-bucket", "WorkBucket": "work-bucket", "Ledger": "ledger", "Bus": NAME,
         "ModelParameter": f"/{NAME}/model"}  # fmt: skip
PARAMETERS = {
    "ContactEmail": "crawl@toolsmith.example", "Student": "local", "Teacher": "toolsmith.embedded-teacher-v1",
    "ChunkSize": 1200, "ChunkOverlap": 120, "ChunksPerBatch": 3, "MinNewExamples": 0,
}  # fmt: skip
KINDS = {
    "AWS::Serverless::Function": ("lambda", "function:"),
    "AWS::Serverless::StateMachine": ("states", "stateMachine:"),
    "AWS::IAM::Role": ("iam", "role/"),
    "AWS::SQS::Queue": ("sqs", ""),
    "AWS::SNS::Topic": ("sns", ""),
    "AWS::S3::Bucket": ("s3", ""),
    "AWS::SageMaker::ModelPackageGroup": ("sagemaker", "model-package-group/"),
}


@functools.cache
def _template() -> dict[str, Any]:
    return template()


@dataclass(frozen=True)
class Function:
    """A deployed function: folder below the repository, handler name, environment."""

    name: str
    folder: str
    handler: str
    environment: dict[str, str]


class Stack:
    """The template with parameters filled in; `parameters` differ from this bench's usual ones."""

    def __init__(self, **parameters: Any) -> None:
        defaults = {name: entry.get("Default") for name, entry in _template()["Parameters"].items()}
        self.parameters = {**defaults, **PARAMETERS, **parameters}
        self.resources = _template()["Resources"]
        shared = _template()["Globals"]["Function"]
        self.functions = {name: self._function(name, resource["Properties"], shared)
                          for name, resource in self._of("AWS::Serverless::Function")}  # fmt: skip

    def arn(self, name: str) -> str:
        """The ARN of a resource by its logical id."""
        service, prefix = KINDS[self.resources[name]["Type"]]
        given = self.resources[name]["Properties"].get("FunctionName")
        called = self.value(given) if given else name.removesuffix("Machine").lower() if service == "states" else name
        return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{prefix}{called}"

    def reserved(self, name: str) -> int:
        """How many calls of a function may run at once; 0 for as many as come."""
        given = self.resources[name]["Properties"].get("ReservedConcurrentExecutions")
        return int(self.value(given["!If"][1])) if given else 0

    def definitions(self) -> dict[str, str]:
        """Definition text by machine name (crawl, ingest, customize)."""
        found = {}
        for name, resource in self._of("AWS::Serverless::StateMachine"):
            given = {
                key: str(self.value(value)) for key, value in resource["Properties"]["DefinitionSubstitutions"].items()
            }
            text = (ROOT / resource["Properties"]["DefinitionUri"]).read_text(encoding="utf-8")
            found[name.removesuffix("Machine").lower()] = re.sub(
                r"\$\{(\w+)\}", lambda m, given=given: given[m[1]], text
            )
        return found

    def wanted(self, rule: str) -> set[str]:
        """The detail types that a rule of the bus matches."""
        return set(self.resources[rule]["Properties"]["EventPattern"]["detail-type"])

    def value(self, value: Any) -> Any:
        """A property with its intrinsic functions resolved."""
        if not isinstance(value, dict) or not next(iter(value), "").startswith("!"):
            return value
        ((tag, inner),) = value.items()
        if tag == "!Ref":
            return self._ref(inner)
        if tag == "!GetAtt":
            return self.arn(inner.partition(".")[0])
        assert tag == "!Sub", value
        return re.sub(r"\$\{([\w:]+)\}", lambda m: str(self._ref(m[1])), inner)

    def _ref(self, name: str) -> Any:
        for known in (PSEUDO, self.parameters, NAMES):
            if name in known:
                return known[name]
        return self.arn(name)

    def _of(self, kind: str) -> list[tuple[str, dict[str, Any]]]:
        return [(name, resource) for name, resource in self.resources.items() if resource["Type"] == kind]

    def _function(self, name: str, properties: dict[str, Any], shared: dict[str, Any]) -> Function:
        variables = {**shared["Environment"]["Variables"], **properties.get("Environment", {}).get("Variables", {})}
        environment = {"AWS_REGION": REGION, **{key: str(self.value(given)) for key, given in variables.items()}}
        return Function(name, properties["CodeUri"], properties.get("Handler", shared["Handler"]), environment)
