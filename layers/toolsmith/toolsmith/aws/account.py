"""Quotas, models and roles of the account, as Service Quotas, Bedrock and IAM tell them."""

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

_ABSENT = {"ResourceNotFoundException", "NoSuchResourceException", "ValidationException", "NoSuchEntity"}
_GOOD = {"AVAILABLE", "AUTHORIZED"}


class Account:
    """`client(service)` makes a boto3 client."""

    def __init__(self, client: Callable[[str], Any]) -> None:
        self._client = client

    def quota(self, name: str) -> float | None:
        """The applied value of a SageMaker quota by its name; None where the account has none of that name."""
        quotas, wanted = self._client("service-quotas"), {"ServiceCode": "sagemaker", "MaxResults": 100}
        while True:
            page = quotas.list_service_quotas(**wanted)
            code = next((quota["QuotaCode"] for quota in page["Quotas"] if quota["QuotaName"] == name), None)
            if code:
                return quotas.get_service_quota(ServiceCode="sagemaker", QuotaCode=code)["Quota"]["Value"]
            if not page.get("NextToken"):
                return None
            wanted["NextToken"] = page["NextToken"]

    def lifecycle(self, model_id: str) -> str | None:
        """ "ACTIVE" or "LEGACY"; None for a model that is not (or no longer) offered here."""
        try:
            found = self._client("bedrock").get_foundation_model(modelIdentifier=model_id)
        except ClientError as error:
            if error.response["Error"]["Code"] in _ABSENT:
                return None
            raise
        return found["modelDetails"].get("modelLifecycle", {}).get("status", "ACTIVE")

    def access(self, model_id: str) -> dict[str, str]:
        """What keeps the account from calling a model: {"agreement": "NOT_AVAILABLE"}; empty where nothing does."""
        found = self._client("bedrock").get_foundation_model_availability(modelId=model_id)
        said = {
            "agreement": found["agreementAvailability"]["status"],
            "authorization": found["authorizationStatus"],
            "entitlement": found["entitlementAvailability"],
            "region": found["regionAvailability"],
        }
        return {what: status for what, status in said.items() if status not in _GOOD}

    def trusted(self, role_arn: str) -> set[str]:
        """The services that may take a role; none where the role does not exist."""
        try:
            role = self._client("iam").get_role(RoleName=role_arn.rpartition("/")[2])["Role"]
        except ClientError as error:
            if error.response["Error"]["Code"] in _ABSENT:
                return set()
            raise
        statements = role["AssumeRolePolicyDocument"]["Statement"]
        allowed = [s for s in statements if s["Effect"] == "Allow" and "sts:AssumeRole" in _listed(s["Action"])]
        return {service for s in allowed for service in _listed(s.get("Principal", {}).get("Service", []))}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
