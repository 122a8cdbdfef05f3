"""`toolsmith evaluator`: registers the reward function in a hub, which serverless reinforcement asks for."""

from botocore.exceptions import ClientError

from local.cli.place import STACK, Place, place_of
from local.cloud.settings import ACCOUNT, REGION
from toolsmith.customization.serverless import evaluator_document

CONTENT, VERSION, SCHEMA = "reward", "1.0.0", "2.0.0"
LOCAL_ARN = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:hub-content/{STACK}/JsonDoc/{CONTENT}/{VERSION}"


def register(place: Place) -> str:
    """The ARN of the registered function; what is registered already stays. Raises ClientError."""
    function = place.client("lambda").get_function(FunctionName=f"{place.stack}-SageMakerReward")
    sagemaker = place.client("sagemaker")
    content = {"HubName": place.stack, "HubContentName": CONTENT, "HubContentType": "JsonDoc"}
    _unless_there(
        sagemaker.create_hub, HubName=place.stack, HubDescription="What serverless customization asks for by name"
    )
    _unless_there(
        sagemaker.import_hub_content,
        **content,
        HubContentVersion=VERSION,
        DocumentSchemaVersion=SCHEMA,
        HubContentDocument=evaluator_document(function["Configuration"]["FunctionArn"]),
    )
    return sagemaker.describe_hub_content(**content, HubContentVersion=VERSION)["HubContentArn"]


def _unless_there(create, **request) -> None:
    try:
        create(**request)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceInUse":
            raise


def run(arguments) -> int:
    print(register(place_of(arguments)))
    return 0
