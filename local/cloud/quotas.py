"""Service Quotas, as far as a preflight check asks: what this laptop grants."""

from collections.abc import Callable

from local.cloud import wire
from local.cloud.errors import ApiError
from local.cloud.settings import ACCOUNT, REGION

# (service, code, name, value). Codes that are ours to choose carry an L-LOCAL prefix.
_QUOTAS = [
    ("sagemaker", "L-LOCAL-P5", "ml.p5.48xlarge for training job usage", 8.0),
    ("sagemaker", "L-LOCAL-P5EN", "ml.p5en.48xlarge for training job usage", 8.0),
    ("sagemaker", "L-LOCAL-M5", "ml.m5.large for training job usage", 8.0),
    ("bedrock", "L-LOCAL-DEPLOY", "Custom model deployments per account", 10.0),
    ("bedrock", "L-LOCAL-MODELS", "Imported custom models per account", 100.0),
    ("lambda", "L-B99A9384", "Concurrent executions", 1000.0),
]


class Quotas:
    """handle(action, params) answers GetServiceQuota and ListServiceQuotas."""

    def __init__(self) -> None:
        self._actions: dict[str, Callable[[dict], dict]] = {
            "GetServiceQuota": self._get,
            "ListServiceQuotas": self._list,
        }

    def handle(self, action: str, params: dict) -> dict:
        if action not in self._actions:
            raise ApiError("UnknownOperationException", f"the local Service Quotas has no {action}")
        wire.validate("service-quotas", action, params)
        return self._actions[action](params)

    def _get(self, params: dict) -> dict:
        for service, code, name, value in _QUOTAS:
            if (service, code) == (params["ServiceCode"], params["QuotaCode"]):
                return {"Quota": _described(service, code, name, value)}
        raise ApiError("NoSuchResourceException", f"no quota {params['QuotaCode']} for {params['ServiceCode']}")

    def _list(self, params: dict) -> dict:
        found = [quota for quota in _QUOTAS if quota[0] == params["ServiceCode"]]
        return {"Quotas": [_described(*quota) for quota in found]}


def _described(service: str, code: str, name: str, value: float) -> dict:
    return {
        "ServiceCode": service,
        "QuotaCode": code,
        "QuotaArn": f"arn:aws:servicequotas:{REGION}:{ACCOUNT}:{service}/{code}",
        "QuotaName": name,
        "Value": value,
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": False,
    }
