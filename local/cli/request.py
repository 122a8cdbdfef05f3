"""`toolsmith request`: what a run would send for one stage, as a training job or in one of the other places."""

import argparse
import json

STAGES = (
    "sft", "more_sft", "rft", "sft_full", "more_sft_full", "rft_full", "dpo", "dpo_full", "ppo",
    "eval", "rft_eval", "judge", "benchmark",
)  # fmt: skip
PLACES = ("training-job", "serverless", "bedrock", "hyperpod")
FILES = {
    "sft": "sft/train.jsonl",
    "rft": "rft/train.jsonl",
    "dpo": "dpo/train.jsonl",
    "ppo": "ppo/train.jsonl",
    "evaluate": "eval/gen_qa.jsonl",
    "rft_eval": "rft/train.jsonl",
    "judge": "eval_judge/llm_judge.jsonl",
    "benchmark": "",
}
ROLE = "arn:aws:iam::111122223333:role/TrainingRole"
FUNCTION = "arn:aws:lambda:us-east-1:111122223333:function:toolsmith-SageMaker"
GROUP = "arn:aws:sagemaker:us-east-1:111122223333:model-package-group/toolsmith"


def options(request: argparse.ArgumentParser) -> None:
    """The command's arguments and options."""
    request.add_argument("stage", choices=STAGES, metavar="STAGE", help=", ".join(STAGES))
    request.add_argument("--on", choices=PLACES, default="training-job", help="where (default training-job)")
    request.add_argument("--student", default="nova-2-lite", help="folder of recipes/ (default nova-2-lite)")
    request.add_argument("--run", default="run-example", help="name of the run")
    request.add_argument("--data", default="s3://BUCKET/datasets/DIGEST", help="S3 prefix of the dataset")
    request.add_argument("--output", default="s3://BUCKET/runs/RUN/output", help="S3 prefix of the outputs")
    request.add_argument("--checkpoint", help="S3 URI to start from or to evaluate; the base model where absent")
    request.add_argument("--region", default="us-east-1")
    request.add_argument("--role", default=ROLE)
    request.add_argument("--reward", default=f"{FUNCTION}Reward", help="ARN of the reward function")
    request.add_argument("--metrics", default=f"{FUNCTION}Metrics", help="ARN of the metrics function")
    request.add_argument("--recipe", action="store_true", help="print the rendered recipe instead")
    forge = request.add_argument_group("Nova Forge (a paid subscription of the account)")
    forge.add_argument("--mix", type=float, metavar="PERCENT", help="share of your data; the rest is the vendor's")
    forge.add_argument("--from-checkpoint", metavar="NAME", help="an early checkpoint, such as pretraining-text-CE")
    other = request.add_argument_group("other places")
    other.add_argument("--group", default=GROUP, help="serverless: ARN of the model package group")
    other.add_argument("--evaluator", help="serverless: ARN of the reward function registered in a hub")
    other.add_argument("--package", help="serverless: ARN of the model package to start from")
    other.add_argument("--epochs", type=int, default=2, help="bedrock: passes over the data (default 2)")
    other.add_argument("--start", help="bedrock: ARN of the custom model to go on from")
    other.add_argument("--cluster", default="CLUSTER", help="hyperpod: name of the cluster")
    other.add_argument("--namespace", default="kubeflow", help="hyperpod: namespace of the cluster (default kubeflow)")


def run(arguments: argparse.Namespace) -> int:
    from toolsmith.customization import load_profile

    profile, job = load_profile(arguments.student), _job(arguments)
    recipe = _recipe(profile, job, arguments)
    place = getattr(arguments, "on", "training-job")
    send = {"training-job": _training_job, "serverless": _serverless, "bedrock": _bedrock, "hyperpod": _hyperpod}[place]
    print(send(profile, job, recipe, arguments).rstrip("\n"))
    return 0


def _job(arguments):
    from toolsmith.customization import Job

    stage = "evaluate" if arguments.stage == "eval" else arguments.stage
    kind = stage.removeprefix("more_").removesuffix("_full")
    arm = ("checkpoint" if arguments.checkpoint else "base") if stage == "evaluate" else stage
    return Job(
        run=arguments.run, stage=stage, arm=arm, attempt=1, role_arn=arguments.role,
        region=getattr(arguments, "region", "us-east-1"), train_uri=f"{arguments.data}/{FILES[kind]}",
        validation_uri=f"{arguments.data}/sft/validation.jsonl" if kind == "sft" else None,
        output_uri=arguments.output, recipe_uri=f"{arguments.output}/{arguments.run}/recipe.yaml",
        checkpoint=arguments.checkpoint, reward_lambda_arn=arguments.reward, metrics_lambda_arn=arguments.metrics,
        forge=bool(getattr(arguments, "mix", None) is not None or getattr(arguments, "from_checkpoint", None)),
    )  # fmt: skip


def _recipe(profile, job, arguments):
    """The stage's recipe with what Nova Forge adds to it; None where nothing is added."""
    from toolsmith.customization import mixing
    from toolsmith.customization.jobs import render

    if not job.forge:
        return None
    recipe = render(profile, job)
    if arguments.mix is not None:
        recipe = mixing.mixed(recipe, arguments.mix)
    return mixing.from_checkpoint(recipe, arguments.from_checkpoint) if arguments.from_checkpoint else recipe


def _training_job(profile, job, recipe, arguments) -> str:
    from toolsmith.customization import prepare

    prepared = prepare(profile, job, recipe)
    return prepared.recipe_yaml if arguments.recipe else json.dumps(prepared.request, indent=2)


def _serverless(profile, job, recipe, arguments) -> str:
    from toolsmith.customization import serverless

    place = serverless.ServerlessPlace(arguments.group, arguments.evaluator, arguments.package)
    return json.dumps(serverless.prepare(profile, job, place, recipe), indent=2)


def _bedrock(profile, job, recipe, arguments) -> str:
    from local.cli.failures import Misused
    from toolsmith.customization import bedrock_native

    if recipe is not None:
        raise Misused("Bedrock's own customization takes no recipe: --mix and --from-checkpoint have no meaning there")
    native = bedrock_native.Native(start=arguments.start, epochs=arguments.epochs)
    return json.dumps(bedrock_native.prepare(profile, job, native), indent=2)


def _hyperpod(profile, job, recipe, arguments) -> str:
    from toolsmith.customization import hyperpod

    launch = hyperpod.prepare(profile, job, arguments.cluster, arguments.namespace, recipe)
    return launch.recipe_yaml if arguments.recipe else str(launch)
