"""A run on a stack that never deployed a model."""

from tests.workflows.bench import Bench


def start(bench: Bench) -> str:
    bench.models.models.clear()
    bench.models.deployments.clear()
    return bench.drop("runs/first.json", {"seed": 3})


def limited(bench: Bench) -> None:
    """A loop that never ends is stopped after some looks, so that the test fails and does not hang."""
    real, looks = bench.models.get_deployment, []

    def look(**request):
        looks.append(request)
        assert len(looks) < 50, "the deployment is Active and is still waited for"
        return real(**request)

    bench.cloud.on("bedrock.get_custom_model_deployment", look)


def test_the_first_model_of_a_stack_is_deployed(settled):
    name = start(settled)
    limited(settled)
    settled.succeeded(name)
    assert "CreateDeployment" in settled.visited(name) and len(settled.models.deployments) == 1
    assert settled.told()[-2:] == ["Model Deployed", "Model Registered"]


def test_a_first_model_that_fails_the_smoke_test_is_taken_away(settled):
    settled.speech.plan = "no plan"
    name = start(settled)
    limited(settled)
    assert settled.ended(name)["error"] == "SmokeTestFailed"
    assert "RemoveDeployment" in settled.visited(name)
    assert settled.models.deployments == {} and settled.parameters_put == {}
