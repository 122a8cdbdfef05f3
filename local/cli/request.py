"""`toolsmith request`: the CreateTrainingJob request that a run would send."""

import json

from toolsmith.customization import Job, load_profile, prepare

STAGE = {"sft": "sft", "rft": "rft", "eval": "evaluate"}
FILES = {"sft": "sft/train.jsonl", "rft": "rft/train.jsonl", "evaluate": "eval/gen_qa.jsonl"}


def run(arguments) -> int:
    stage = STAGE[arguments.stage]
    arm = stage if stage != "evaluate" else ("checkpoint" if arguments.checkpoint else "base")
    validation = f"{arguments.data}/sft/validation.jsonl" if stage == "sft" else None
    job = Job(
        run=arguments.run, stage=stage, arm=arm, attempt=1, role_arn=arguments.role, region="us-east-1",
        train_uri=f"{arguments.data}/{FILES[stage]}", validation_uri=validation, output_uri=arguments.output,
        recipe_uri=f"{arguments.output}/{arguments.run}/recipe.yaml", checkpoint=arguments.checkpoint,
        reward_lambda_arn=arguments.reward, metrics_lambda_arn=arguments.metrics,
    )  # fmt: skip
    prepared = prepare(load_profile(arguments.student), job)
    print(prepared.recipe_yaml if arguments.recipe else json.dumps(prepared.request, indent=2), end="")
    if not arguments.recipe:
        print()
    return 0
