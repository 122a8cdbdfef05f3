"""Where training jobs run, read from the environment of the functions that prepare them."""

from toolsmith.aws import wiring
from toolsmith.pipeline.places import TrainingPlace


def training_place() -> TrainingPlace:
    return TrainingPlace(
        role_arn=wiring.setting("TRAINING_ROLE_ARN"),
        region=wiring.setting("AWS_REGION"),
        reward_lambda_arn=wiring.setting("REWARD_FUNCTION_ARN"),
        metrics_lambda_arn=wiring.setting("METRICS_FUNCTION_ARN"),
        kms_key=wiring.setting("KMS_KEY_ARN") or None,
        mlflow_arn=wiring.setting("MLFLOW_ARN") or None,
        on=wiring.setting("CUSTOMIZE_ON"),
        model_package_group=wiring.setting("MODEL_PACKAGE_GROUP_ARN"),
        evaluator_arn=wiring.setting("EVALUATOR_ARN") or None,
        customization_role_arn=wiring.setting("CUSTOMIZATION_ROLE_ARN"),
    )
