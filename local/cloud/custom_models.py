"""Custom models and their on-demand deployments: import, status, names, removal."""

import logging
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from local.cloud import s3io
from local.cloud.errors import ApiError
from local.cloud.gateway import new_id
from local.cloud.identity import Identities
from local.cloud.records import Records
from local.cloud.settings import ACCOUNT, REGION, Settings
from local.cloud.wire import iso

logger = logging.getLogger("local.cloud.custom_models")

PRINCIPAL = "bedrock.amazonaws.com"


def missing(what: str) -> ApiError:
    return ApiError("ResourceNotFoundException", f"Could not find {what}.", 404)


class CustomModels:
    """CreateCustomModel and what follows it. Weights are copied in while a model is Creating."""

    def __init__(self, settings: Settings, identities: Identities, package: Callable[[str, str], str]) -> None:
        """package(model package ARN, role ARN) -> S3 URI of its weights; raises ApiError."""
        self._settings = settings
        self._identities = identities
        self._package = package
        self._folder = settings.data / "bedrock" / "weights"
        self._models = Records(settings.data / "bedrock" / "models")
        self._lock = threading.Lock()
        self.actions = {
            "CreateCustomModel": self._create,
            "GetCustomModel": self._get,
            "ListCustomModels": self._list,
            "DeleteCustomModel": self._delete,
        }
        self.in_use = lambda arn: False

    def resume(self) -> None:
        for model in self._models.all():
            if model["modelStatus"] == "Creating":
                self._start_import(model["modelArn"])

    def find(self, identifier: str) -> dict | None:
        """The record of a model by name or ARN."""
        return self._models.find(identifier, "modelName")

    def require(self, identifier: str) -> dict:
        found = self.find(identifier)
        if found is None:
            raise missing(f"custom model {identifier}")
        return found

    def weights(self, arn: str) -> Path:
        return self._folder / arn.rpartition("/")[2]

    def _create(self, params: dict) -> dict:
        role = params.get("roleArn")
        if not role:
            raise ApiError("ValidationException", "roleArn is required to import a model from Amazon S3")
        source = self._source(params, role)
        again = self._same_request(params, source)
        if again:
            return {"modelArn": again["modelArn"]}
        self._identities.require_trust(role, PRINCIPAL)
        self._require_source(source, role)
        arn = f"arn:aws:bedrock:{REGION}:{ACCOUNT}:custom-model/imported/{new_id()}"
        with self._lock:
            if any(m["modelName"] == params["modelName"] for m in self._models.all()):
                raise ApiError("ConflictException", f"The model name {params['modelName']} is already in use.")
            self._models.put(arn, _new_model(arn, source, params))
        self._start_import(arn)
        return {"modelArn": arn}

    def _source(self, params: dict, role: str) -> str:
        """Where the weights lie. Raises ApiError."""
        given = [params[name] for name in ("modelSourceConfig", "customModelDataSource") if params.get(name)]
        if len(given) != 1:
            raise ApiError("ValidationException", "Specify either modelSourceConfig or customModelDataSource.")
        if "modelPackageArnDataSource" in given[0]:
            return self._package(given[0]["modelPackageArnDataSource"]["modelPackageArn"], role)
        if "s3DataSource" not in given[0]:
            raise ApiError("ValidationException", "modelSourceConfig must name an s3DataSource")
        return given[0]["s3DataSource"]["s3Uri"]

    def trained(self, job: dict, checkpoint: Path) -> str:
        """Make a model of what a customization job trained; returns its ARN."""
        arn = f"arn:aws:bedrock:{REGION}:{ACCOUNT}:custom-model/{job['baseModelArn'].rpartition('/')[2]}/{new_id()}"
        shutil.copytree(checkpoint, self.weights(arn))
        self._models.put(arn, {
            "modelArn": arn, "modelName": job["outputModelName"], "modelStatus": "Active", "jobArn": job["jobArn"],
            "jobName": job["jobName"], "baseModelArn": job["baseModelArn"], "creationTime": time.time(),
            "customizationType": job["customizationType"], "trainingDataConfig": job["trainingDataConfig"],
            "outputDataConfig": job["outputDataConfig"],
        })  # fmt: skip
        return arn

    def _same_request(self, params: dict, source: str) -> dict | None:
        token = params.get("clientRequestToken")
        found = next((m for m in self._models.all() if token and m.get("_token") == token), None)
        if found and (found["modelName"], found["_source"]) != (params["modelName"], source):
            raise ApiError("ConflictException", "The clientRequestToken was used with other parameters.")
        return found

    def _require_source(self, uri: str, role: str) -> None:
        client = self._identities.client("s3", role, "Bedrock")
        place = uri.rstrip("/") + "/"
        bucket, prefix = s3io.split(place)
        try:
            files = [key for key in s3io.keys(client, place) if "/" not in key[len(prefix) :]]
            if files:
                client.head_object(Bucket=bucket, Key=files[0])
        except (ClientError, BotoCoreError) as error:
            text = f"Could not access the S3 location {uri} with the role {role}: {error}"
            raise ApiError("ValidationException", text) from None
        if not files:
            raise ApiError("ValidationException", f"The S3 location {uri} holds no model files.")

    def _start_import(self, arn: str) -> None:
        threading.Thread(target=self._import, args=(arn,), name=f"import-{arn[-12:]}", daemon=True).start()

    def _import(self, arn: str) -> None:
        model, folder = self._models.get(arn), self.weights(arn)
        started = time.monotonic()
        try:
            shutil.rmtree(folder, ignore_errors=True)
            client = self._identities.client("s3", model["_role"], "Bedrock")
            s3io.download(client, model["_source"].rstrip("/") + "/", folder)
        except Exception as error:
            logger.warning("import of %s failed: %s", arn, error)
            self._models.change(arn, modelStatus="Failed", failureMessage=str(error))
            return
        time.sleep(max(0.0, self._settings.pace - (time.monotonic() - started)))
        if arn in self._models:
            self._models.change(arn, modelStatus="Active")

    def _get(self, params: dict) -> dict:
        model = self.require(params["modelIdentifier"])
        shown = {key: value for key, value in model.items() if not key.startswith("_")}
        return {**shown, "creationTime": iso(model["creationTime"])}

    def _list(self, params: dict) -> dict:
        members = ("modelArn", "modelName", "customizationType", "modelStatus")
        found = [m for m in self._models.all() if params.get("nameContains", "") in m["modelName"]]
        wanted = params.get("modelStatus")
        return {
            "modelSummaries": [
                {**{k: m[k] for k in members}, "creationTime": iso(m["creationTime"]), "ownerAccountId": ACCOUNT,
                 "baseModelArn": "", "baseModelName": ""}
                for m in found if wanted in (None, m["modelStatus"])
            ]
        }  # fmt: skip

    def _delete(self, params: dict) -> dict:
        model = self.require(params["modelIdentifier"])
        if self.in_use(model["modelArn"]):
            raise ApiError("ConflictException", "The model has deployments; delete them first.")
        self._models.remove(model["modelArn"])
        shutil.rmtree(self.weights(model["modelArn"]), ignore_errors=True)
        return {}


def _new_model(arn: str, source: str, params: dict) -> dict:
    """Members with an underscore stay inside."""
    made = {
        "modelArn": arn,
        "modelName": params["modelName"],
        "modelStatus": "Creating",
        "customizationType": "IMPORTED",
        "creationTime": time.time(),
        "trainingDataConfig": {"s3Uri": source},
        "_source": source,
        "_role": params["roleArn"],
        "_token": params.get("clientRequestToken"),
    }
    return {key: value for key, value in made.items() if value is not None}


class Deployments:
    """On-demand deployments. Their state follows from the clock, so a restart changes nothing."""

    def __init__(self, settings: Settings, models: CustomModels) -> None:
        self._pace = settings.pace
        self._models = models
        self._deployments = Records(settings.data / "bedrock" / "deployments")
        self._lock = threading.Lock()
        self.actions = {
            "CreateCustomModelDeployment": self._create,
            "GetCustomModelDeployment": self._get,
            "UpdateCustomModelDeployment": self._update,
            "ListCustomModelDeployments": self._list,
            "DeleteCustomModelDeployment": self._delete,
        }
        models.in_use = lambda arn: any(d["modelArn"] == arn for d in self._deployments.all())

    def find(self, identifier: str) -> dict | None:
        """The record by name or ARN, in its state of now."""
        found = self._deployments.find(identifier, "modelDeploymentName")
        return self._settled(found) if found else None

    def _require(self, params: dict) -> dict:
        identifier = params["customModelDeploymentIdentifier"]
        found = self.find(identifier)
        if found is None:
            raise missing(f"custom model deployment {identifier}")
        return found

    def _settled(self, record: dict) -> dict:
        arn, now = record["customModelDeploymentArn"], time.time()
        if record["status"] == "Creating" and now - record["createdAt"] >= self._pace:
            record = self._deployments.change(arn, status="Active", lastUpdatedAt=now)
        update = record.get("updateDetails", {})
        if update.get("updateStatus") == "Updating" and now - record["lastUpdatedAt"] >= self._pace:
            done = {**update, "updateStatus": "UpdateCompleted"}
            record = self._deployments.change(arn, modelArn=update["modelArn"], updateDetails=done, lastUpdatedAt=now)
        return record

    def weights(self, arn: str) -> Path:
        """The folder a deployment answers from. Raises ApiError unless it is Active."""
        found = self.find(arn)
        if found is None:
            raise missing(f"custom model deployment {arn}")
        if found["status"] != "Active":
            raise ApiError("ModelNotReadyException", "The model is not ready for inference yet.", 429)
        return self._models.weights(found["modelArn"])

    def _active_model(self, identifier: str) -> str:
        model = self._models.require(identifier)
        if model["modelStatus"] != "Active":
            raise ApiError("ValidationException", f"The custom model is {model['modelStatus']}, not Active.")
        return model["modelArn"]

    def _create(self, params: dict) -> dict:
        model, name, token = self._active_model(params["modelArn"]), params["modelDeploymentName"], None
        token = params.get("clientRequestToken")
        with self._lock:
            for found in self._deployments.all():
                if token and found.get("_token") == token:
                    return {"customModelDeploymentArn": found["customModelDeploymentArn"]}
                if found["modelDeploymentName"] == name:
                    raise ApiError("ConflictException", f"The deployment name {name} is already in use.")
            arn = f"arn:aws:bedrock:{REGION}:{ACCOUNT}:custom-model-deployment/{new_id()}"
            now = time.time()
            made = {
                "customModelDeploymentArn": arn, "modelDeploymentName": name, "modelArn": model, "status": "Creating",
                "createdAt": now, "lastUpdatedAt": now, "description": params.get("description"), "_token": token,
            }  # fmt: skip
            self._deployments.put(arn, {key: value for key, value in made.items() if value is not None})
        return {"customModelDeploymentArn": arn}

    def _get(self, params: dict) -> dict:
        found = self._require(params)
        shown = {key: value for key, value in found.items() if not key.startswith("_")}
        return {**shown, "createdAt": iso(found["createdAt"]), "lastUpdatedAt": iso(found["lastUpdatedAt"])}

    def _update(self, params: dict) -> dict:
        found, model = self._require(params), self._active_model(params["modelArn"])
        if found["status"] != "Active":
            raise ApiError("ConflictException", "The deployment is not Active.")
        details = {"modelArn": model, "updateStatus": "Updating"}
        arn = found["customModelDeploymentArn"]
        self._deployments.change(arn, updateDetails=details, lastUpdatedAt=time.time())
        return {"customModelDeploymentArn": arn}

    def _list(self, params: dict) -> dict:
        found = [self._settled(record) for record in self._deployments.all()]
        return {
            "modelDeploymentSummaries": [
                {"customModelDeploymentArn": d["customModelDeploymentArn"],
                 "customModelDeploymentName": d["modelDeploymentName"], "modelArn": d["modelArn"],
                 "status": d["status"], "createdAt": iso(d["createdAt"]), "lastUpdatedAt": iso(d["lastUpdatedAt"])}
                for d in found
                if params.get("nameContains", "") in d["modelDeploymentName"]
                and params.get("statusEquals") in (None, d["status"])
                and params.get("modelArnEquals") in (None, d["modelArn"])
            ]
        }  # fmt: skip

    def _delete(self, params: dict) -> dict:
        self._deployments.remove(self._require(params)["customModelDeploymentArn"])
        return {}
