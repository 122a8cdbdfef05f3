"""The shell commands of README.md and docs/, as printed: those that are run, and why the others are not."""

import re
from typing import NamedTuple

from tests.template.loading import ROOT

PAGES = ("README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")))
SHELL = re.compile(r"```sh\n([\s\S]*?)```|(?<=\n\n)((?: {4,}\S.*\n)+)")


class Run(NamedTuple):
    """How a command is run: what stands for its placeholders, what is typed, and what it must answer."""

    given: dict[str, str] = {}
    typed: str = ""
    code: int = 0
    says: str = ""


UP = ".venv/bin/toolsmith up"

# In this order, beside `toolsmith up`. Names in braces are outputs of the stack, or known to the test.
RUN = {
    "make demo": Run({"make": "make --dry-run"}, says="toolsmith demo --out build/demo"),
    "make test": Run({"make": "make --dry-run"}, says="-m pytest"),
    '.venv/bin/toolsmith ask "Is 17 CFR 240.10b-5 still good law?"': Run(says="\ncategory "),
    'curl --aws-sigv4 aws:amz:us-east-1:lambda --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" '
    '-H "x-amz-security-token: $AWS_SESSION_TOKEN" -H "content-type: application/json" '
    """-d '{"question": "Is 17 CFR 240.10b-5 still good law?"}' ASSISTANT_URL""": Run(
        {"ASSISTANT_URL": "{AssistantUrl}"}, says='"category"'
    ),
    "aws s3 cp filing.txt s3://INTAKE_BUCKET/incoming/": Run({"INTAKE_BUCKET": "{IntakeBucket}"}, says="upload: "),
    "toolsmith evaluator --stack toolsmith-prod": Run(
        {"toolsmith-prod": "toolsmith"}, says="hub-content/toolsmith/JsonDoc/reward"
    ),
    "toolsmith approve RUN --stack toolsmith-prod": Run(
        {"RUN": "{run}", "toolsmith-prod": "toolsmith"}, code=2, says="only stacks with RequireApproval=true ask"
    ),
    'toolsmith reject RUN --stack toolsmith-prod --because "after the quarter"': Run(
        {"RUN": "{run}", "toolsmith-prod": "toolsmith"}, code=2, says="only stacks with RequireApproval=true ask"
    ),
    "aws events put-rule --event-bus-name BUS --name failed-runs "
    """--event-pattern '{"source": ["toolsmith"], "detail-type": ["Run Failed"]}'""": Run(
        {"BUS": "{BusName}"}, says="rule/toolsmith/failed-runs"
    ),
    "aws events put-targets --event-bus-name BUS --rule failed-runs --targets Id=queue,Arn=QUEUE_ARN": Run(
        {"BUS": "{BusName}", "QUEUE_ARN": "{queue}"}, says='"FailedEntryCount": 0'
    ),
    "make destroy STACK=toolsmith-prod": Run({"toolsmith-prod": "toolsmith"}, typed="toolsmith\n", says="These stay"),
}

LEFT_OUT = {
    UP: "not left out: it runs while the others do",
    ".venv/bin/toolsmith demo --drop path/to/filings --drop path/to/opinions --out build/mine": "a training run takes "
    "minutes; the same code as `make demo`, which is tried before every release",
    ".venv/bin/toolsmith demo --seed 1 --out build/seed1": "as above",
    ".venv/bin/toolsmith demo --fresh": "as above",
    "sam build": "fetches wheels of AWS's architecture and wants Python 3.13; with the laptop's parameters the fixture "
    "`world` runs it",
    "sam deploy --guided": "asks in a dialogue; the fixture `world` runs `sam deploy` with the same template",
    "sam deploy --config-env prod --parameter-overrides CustomizeOn=serverless "
    "EvaluatorArn=ARN_THAT_IT_PRINTED": "needs the build for AWS, as `sam deploy --guided` does",
    "aws cloudformation deploy --template-file events/registry.template.yaml --stack-name toolsmith-schemas": "the "
    "local cloud has no schema registry; cfn-lint checks the template",
    "aws cloudformation deploy --template-file events/consumers.template.yaml --stack-name toolsmith-consumers "
    "--capabilities CAPABILITY_IAM --parameter-overrides BusName=BUS "
    "SlackWebhook=https://hooks.slack.com/services/...": "the local cloud's CloudFormation knows no API destinations; "
    "tests/local/test_cloud_consumers.py deploys the rest",
}


def commands(text: str) -> list[str]:
    """The commands of a page's shell blocks, fenced or indented, each on one line."""
    blocks = [fenced or indented for fenced, indented in SHELL.findall(text)]
    lines = [line for block in blocks for line in re.sub(r"\s*\\\n\s*", " ", block).splitlines()]
    return [line.strip() for line in lines if line.strip()]


def printed() -> set[str]:
    """Every command of every page."""
    return {command for page in PAGES for command in commands((ROOT / page).read_text(encoding="utf-8"))}
