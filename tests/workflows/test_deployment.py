"""From a checkpoint to an answering endpoint: imports, blue/green, the smoke test and the way back."""

import pytest

from tests.local.states_bench import fault
from tests.workflows.bench import Bench
from tests.workflows.models import ARN

OLD = f"{ARN}:custom-model/imported/older"


def start(bench: Bench) -> str:
    return bench.drop("runs/wanted.json", {"seed": 3})


def deployed(bench: Bench) -> str:
    (found,) = bench.models.deployments.values()
    return found.get("next", found["modelArn"])


@pytest.mark.parametrize(("hello", "plan"), [("", "{}"), ("Hello.", "I cannot help with that."), ("Hello.", "")])
def test_a_model_that_fails_the_smoke_test_gives_way_to_the_one_before(settled, hello, plan):
    settled.speech.hello, settled.speech.plan = hello, plan
    name = start(settled)
    found = settled.ended(name)
    assert found["status"] == "FAILED" and found["error"] == "SmokeTestFailed"
    assert settled.models.updates == [f"{ARN}:custom-model/imported/{name}-rft", OLD]
    assert deployed(settled) == OLD and settled.parameters_put == {}
    assert settled.told("Model Deployed") == settled.told("Model Registered") == []
    assert "SmokeTestFailed" in settled.told("Run Failed")[0]["error"]


def test_one_question_that_a_model_cannot_answer_is_followed_by_another(settled):
    settled.speech.stumbles = ["{", "I cannot help with that."]
    settled.succeeded(start(settled))
    assert settled.speech.stumbles == []


def test_a_new_model_takes_the_place_of_the_old_one_behind_the_same_address(settled):
    before = list(settled.models.deployments)
    name = start(settled)
    settled.succeeded(name)
    assert list(settled.models.deployments) == before
    assert deployed(settled) == f"{ARN}:custom-model/imported/{name}-rft"


def test_a_model_that_was_created_although_the_answer_got_lost_is_not_created_again(settled):
    real, lost = settled.models.create_custom_model, []

    def losing(**request):
        made = real(**request)
        if not lost:
            lost.append(made)
            raise fault("InternalServerException", "lost", 500)
        return made

    settled.cloud.on("bedrock.create_custom_model", losing)
    settled.succeeded(start(settled))
    assert len(lost) == len(settled.models.imports) == 1


def test_a_model_of_this_name_is_adopted(settled):
    settled.cloud.on("bedrock.create_custom_model", conflicting(settled))
    name = start(settled)
    settled.succeeded(name)
    assert "FindModel" in settled.visited(name)
    assert deployed(settled) == f"{ARN}:custom-model/imported/{name}-rft"


def conflicting(bench: Bench):
    """The name is taken by a model that an earlier request, with another token, created."""

    def create(modelName: str, clientRequestToken: str, **request):
        bench.models.create_custom_model(modelName=modelName, clientRequestToken="another")
        raise fault("ConflictException", "The model name is already in use.")

    return create


def test_an_import_that_fails_says_why(settled):
    settled.models.broken = "Failed"
    found = settled.ended(start(settled))
    assert found["error"] == "ModelImportFailed" and "weights are broken" in found["cause"]
    assert settled.models.updates == []


def test_waiting_for_an_import_costs_few_events(settled):
    settled.models.polls = 40
    name = start(settled)
    settled.succeeded(name)
    assert settled.visited(name).count("WaitForModel") == 40
    assert len(settled.history(name)) < 2000


def test_a_busy_control_plane_is_asked_again(settled):
    left = {"get_custom_model": 3, "update_custom_model_deployment": 2, "create_custom_model": 4}
    for call, times in ((f"bedrock.{name}", times) for name, times in left.items()):
        settled.cloud.on(call, busy(settled.cloud.handlers[call], times))
    settled.succeeded(start(settled))
    assert len(settled.models.imports) == 1


def busy(real, times: int):
    refusals = [fault("ThrottlingException", "slow down", 429)] * times

    def call(**request):
        if refusals:
            raise refusals.pop()
        return real(**request)

    return call
