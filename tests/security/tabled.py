"""Calls that no run in one process can show, each with where it is known from."""

from tests.security.policies import KEY, MLFLOW, NAMED, STUDENT, TEACHER, Call
from tests.workflows.stack import ACCOUNT, NAME, REGION

INTAKE, WORK, LEDGER = NAMED["IntakeBucket"], NAMED["WorkBucket"], NAMED["Ledger"]
STATES = f"arn:aws:states:{REGION}:{ACCOUNT}"
ESCROW = f"arn:aws:s3:::customer-escrow-{ACCOUNT}-smtj-x"
PACKAGE = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model-package/{NAME}-1a2b3c4d/1"
BEDROCK = f"arn:aws:bedrock:{REGION}:{ACCOUNT}"

DISTRIBUTED = "Step Functions guide, IAM policies for Distributed Map: a map run handles its children"
SYNC = "Step Functions guide, IAM policies for SageMaker: a job run with .sync is followed and stopped"
TELEMETRY = "Step Functions guide, logging to CloudWatch Logs and X-Ray: log deliveries know no resource"
CRAWLING = "the fetch function is stubbed in the bench; tests/unit/test_crawling_* run it on a table and a bucket"
NO_VERSION = "an event without a version is read as the object is now"
ACCOUNT_CHECK = "the embedded student skips the check of the account; tests/unit/test_account.py runs it"
CONTAINER = "the training container, by the vendor's contract: input, output, checkpoints, logs, images, reward"
BATCH = "Bedrock guide, service role of batch inference: it reads input, writes output, calls the model"
OWN_KEY = "only where the stack has a key of its own: everything in its buckets is under that key"
ASKED = "the assistant, an extra of the template; tests/unit/test_assistant*.py run it"
PLACES = "tests/workflows/test_places.py: jobs that are done by serverless customization, or by Bedrock itself"
BUDGET = "tests/workflows/test_budget.py: jobs that are billed by the token, of a student that is not free"
CUSTOMIZING = "Bedrock guide, access for reinforcement fine-tuning: a job reads rows, writes metrics, calls the grader"
CONDITIONAL = "an extra of the template that a parameter switches on"

_TELEMETRY = [
    "logs:CreateLogDelivery", "logs:GetLogDelivery", "logs:UpdateLogDelivery", "logs:DeleteLogDelivery",
    "logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:DescribeResourcePolicies", "logs:DescribeLogGroups",
    "xray:PutTraceSegments", "xray:PutTelemetryRecords", "xray:GetSamplingRules", "xray:GetSamplingTargets",
]  # fmt: skip
_MLFLOW = [
    "sagemaker:CallMlflowAppApi", "sagemaker-mlflow:GetExperiment", "sagemaker-mlflow:GetExperimentByName",
    "sagemaker-mlflow:CreateExperiment", "sagemaker-mlflow:GetRun", "sagemaker-mlflow:CreateRun",
    "sagemaker-mlflow:UpdateRun", "sagemaker-mlflow:SearchRuns", "sagemaker-mlflow:LogBatch",
    "sagemaker-mlflow:LogMetric", "sagemaker-mlflow:LogParam", "sagemaker-mlflow:SetTag",
    "sagemaker-mlflow:LogInputs",
]  # fmt: skip


def _each(role: str, actions: str, where: str, why: str, **context: str) -> list[Call]:
    return [Call(role, action, where, why, context) for action in actions.split()]


def _machine(name: str) -> list[Call]:
    """What Step Functions itself does for a machine, beyond the machine's own tasks."""
    role, short = f"{name}Machine", name.lower()
    found = [Call(role, action, "*", TELEMETRY) for action in _TELEMETRY]
    if name != "Customize":
        found += _each(role, "states:StartExecution", f"{STATES}:stateMachine:{short}", DISTRIBUTED)
        found += _each(role, "states:DescribeExecution states:StopExecution states:RedriveExecution",
                       f"{STATES}:execution:{short}/x", DISTRIBUTED)  # fmt: skip
    return found


_JOB = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job/run-x"
_RULE = f"arn:aws:events:{REGION}:{ACCOUNT}:rule/StepFunctionsGetEventsForSageMakerTrainingJobsRule"
_ROLES = f"arn:aws:iam:{REGION}:{ACCOUNT}:role"
_FUNCTIONS = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function"
_LOGS = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/sagemaker/TrainingJobs"

TABLED = [
    *_machine("Crawl"), *_machine("Ingest"), *_machine("Customize"),
    *_each("CrawlMachine", "lambda:InvokeFunction", f"{_FUNCTIONS}:FetchFunction", CRAWLING),
    *_each("CustomizeMachine", "sagemaker:StopTrainingJob sagemaker:DescribeTrainingJob sagemaker:AddTags", _JOB, SYNC),
    *_each("CustomizeMachine", "events:PutTargets events:PutRule events:DescribeRule", _RULE, SYNC),
    *_each("CustomizeMachine", "bedrock:CreateCustomModelDeployment bedrock:DeleteCustomModelDeployment "
           "bedrock:TagResource", f"{BEDROCK}:custom-model-deployment/x", "tests/workflows/test_first_deployment.py"),
    *_each("PlanCrawlFunction", "s3:GetObject", f"{INTAKE}/requests/x", NO_VERSION),
    *_each("ParseFunction", "s3:GetObject", f"{INTAKE}/incoming/x", NO_VERSION),
    *_each("AdmitFunction", "s3:GetObject", f"{INTAKE}/runs/x", NO_VERSION),
    *_each("ParseFunction", "dynamodb:UpdateItem", LEDGER, "a document parsed again before it was settled"),
    *_each("FetchFunction", "s3:GetObject s3:PutObject", f"{INTAKE}/incoming/x", CRAWLING),
    *_each("FetchFunction", "s3:ListBucket", INTAKE, CRAWLING),
    *_each("FetchFunction", "dynamodb:GetItem dynamodb:PutItem dynamodb:UpdateItem", LEDGER, CRAWLING),
    *_each("TeachFunction", "sagemaker:InvokeEndpoint", TEACHER, "a teacher that is an endpoint: tests/unit/"
           "test_teacher_endpoint.py"),
    *_each("SetAsideFunction", "s3:ListBucket", INTAKE, "a file that was set aside before: its key is not there"),
    *_each("PrepareJobFunction", "s3:GetObject", f"{WORK}/datasets/x", "tests/workflows/test_thorough.py: few shots"),
    *_each("ReadJobFunction", "s3:ListBucket", WORK, "tests/workflows/test_jobs.py: a job that left no archive"),
    *_each("ReportFunction", "sagemaker:CreateModelCard sagemaker:UpdateModelCard",
           f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model-card/run-x", CONDITIONAL),
    *_each("AnnounceFailureFunction", "states:ListMapRuns", f"{STATES}:execution:crawl:x", "a crawl's map that failed"),
    *_each("AnnounceFailureFunction", "states:ListExecutions", f"{STATES}:mapRun:crawl/Fetch:x", "the same"),
    *_each("AnnounceFailureFunction", "states:DescribeExecution", f"{STATES}:execution:crawl/Fetch:x", "the same"),
    *_each("CheckAccountFunction", "servicequotas:ListServiceQuotas bedrock:GetFoundationModelAvailability", "*",
           ACCOUNT_CHECK),
    *_each("CheckAccountFunction", "servicequotas:GetServiceQuota",
           f"arn:aws:servicequotas:{REGION}:{ACCOUNT}:sagemaker/L-1", ACCOUNT_CHECK),
    *_each("CheckAccountFunction", "bedrock:GetFoundationModel", TEACHER, ACCOUNT_CHECK),
    *_each("CheckAccountFunction", "iam:GetRole", f"{_ROLES}/TrainingRole", ACCOUNT_CHECK),
    *_each("CheckAccountFunction", "iam:GetRole", f"{_ROLES}/ImportRole", ACCOUNT_CHECK),
    *_each("BatchRole", "s3:GetObject s3:PutObject", f"{WORK}/batch/x", BATCH),
    *_each("BatchRole", "s3:ListBucket", WORK, BATCH, **{"s3:prefix": "batch/x"}),
    *_each("BatchRole", "bedrock:InvokeModel", TEACHER, BATCH),
    *_each("BatchRole", "kms:Decrypt kms:GenerateDataKey", KEY, OWN_KEY),
    *_each("TrainingRole", "s3:GetObject", f"{WORK}/datasets/x", CONTAINER),
    *_each("TrainingRole", "s3:GetObject s3:PutObject", f"{WORK}/runs/x", CONTAINER),
    *_each("TrainingRole", "s3:ListBucket", WORK, CONTAINER),
    *_each("TrainingRole", "s3:GetObject s3:PutObject s3:ListBucket", ESCROW, CONTAINER),
    *_each("TrainingRole", "lambda:InvokeFunction", f"{_FUNCTIONS}:{NAME}-SageMakerReward", CONTAINER),
    *_each("TrainingRole", "lambda:InvokeFunction", f"{_FUNCTIONS}:{NAME}-SageMakerMetrics", CONTAINER),
    *_each("TrainingRole", "logs:CreateLogGroup logs:CreateLogStream logs:PutLogEvents logs:DescribeLogStreams", _LOGS,
           CONTAINER),
    *_each("TrainingRole", "cloudwatch:PutMetricData", "*", CONTAINER,
           **{"cloudwatch:namespace": "/aws/sagemaker/TrainingJobs"}),
    *_each("TrainingRole", "ecr:BatchGetImage ecr:GetDownloadUrlForLayer ecr:BatchCheckLayerAvailability",
           f"arn:aws:ecr:{REGION}:708977205387:repository/nova-x", CONTAINER),
    *_each("TrainingRole", "ecr:GetAuthorizationToken", "*", CONTAINER),
    *_each("TrainingRole", "kms:Decrypt kms:Encrypt kms:GenerateDataKey", KEY, OWN_KEY),
    *[Call("TrainingRole", action, MLFLOW, CONDITIONAL) for action in _MLFLOW],
    *_each("ImportRole", "s3:GetObject s3:ListBucket", ESCROW, CONTAINER),
    *_each("CustomizeMachine", "lambda:InvokeFunction", f"{_FUNCTIONS}:AskModelFunction", PLACES),
    *_each("CustomizeMachine", "bedrock:CreateModelCustomizationJob",
           f"arn:aws:bedrock:{REGION}::foundation-model/student", PLACES),
    *_each("CustomizeMachine", "bedrock:CreateModelCustomizationJob", f"{BEDROCK}:custom-model/x", PLACES),
    *_each("CustomizeMachine", "bedrock:CreateModelCustomizationJob bedrock:GetModelCustomizationJob "
           "bedrock:StopModelCustomizationJob bedrock:TagResource", f"{BEDROCK}:model-customization-job/x", PLACES),
    *_each("CustomizeMachine", "iam:PassRole", f"arn:aws:iam:{REGION}:{ACCOUNT}:role/CustomizationRole", PLACES,
           **{"iam:PassedToService": "bedrock.amazonaws.com"}),
    *_each("ReadJobFunction", "dynamodb:GetItem", LEDGER, BUDGET),
    *_each("AskModelFunction", "s3:GetObject", f"{WORK}/datasets/x", PLACES),
    *_each("AskModelFunction", "s3:GetObject s3:PutObject", f"{WORK}/runs/x", PLACES),
    *_each("AskModelFunction", "s3:ListBucket", WORK, PLACES),
    *_each("AskModelFunction", "bedrock:InvokeModel", STUDENT, PLACES),
    *_each("AskModelFunction", "bedrock:InvokeModel", f"{BEDROCK}:custom-model-deployment/x", PLACES),
    *_each("CustomizationRole", "s3:GetObject", f"{WORK}/datasets/x", CUSTOMIZING),
    *_each("CustomizationRole", "s3:PutObject", f"{WORK}/runs/x", CUSTOMIZING),
    *_each("CustomizationRole", "s3:ListBucket", WORK, CUSTOMIZING),
    *_each("CustomizationRole", "lambda:InvokeFunction", f"{_FUNCTIONS}:{NAME}-SageMakerReward", CUSTOMIZING),
    *_each("CustomizationRole", "kms:Decrypt kms:Encrypt kms:GenerateDataKey", KEY, OWN_KEY),
    *_each("TrainingRole", "sagemaker:AccessModelPackage", PACKAGE, PLACES),
    *_each("ImportRole", "sagemaker:AccessModelPackage", PACKAGE, PLACES),
    *_each("AssistantFunction", "ssm:GetParameter", f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/{NAME}/model", ASKED),
    *_each("AssistantFunction", "bedrock:InvokeModel", f"{BEDROCK}:custom-model-deployment/x", ASKED),
    *_each("AssistantFunction", "s3:GetObject", f"{WORK}/documents/x", ASKED),
    *_each("AssistantFunction", "s3:ListBucket", WORK, ASKED),
]  # fmt: skip

# Calls that nothing but the condition of a statement refuses.
REFUSED = [
    Call("BatchRole", "s3:ListBucket", WORK, "documents are none of a batch job's", {"s3:prefix": "documents/x"}),
    Call("TrainingRole", "cloudwatch:PutMetricData", "*", "it may look like no other service's metrics",
         {"cloudwatch:namespace": "AWS/Lambda"}),
    *[Call(machine, "iam:PassRole", f"{_ROLES}/{role}", "a function of anybody's would act as this role",
           {"iam:PassedToService": "lambda.amazonaws.com"})
      for machine, role in (("IngestMachine", "BatchRole"), ("CustomizeMachine", "TrainingRole"),
                            ("CustomizeMachine", "ImportRole"), ("CustomizeMachine", "CustomizationRole"))],
]  # fmt: skip
