"""`toolsmith up`: the local cloud with the stack deployed, and the assistant's page, until interrupted."""

import json
import sys
import time

from local.cli import evaluator, stack, teachers
from local.cli.ask import Assistant
from local.cli.failures import Failed
from local.cli.page import Page
from local.cli.place import Place, cloud_of, local_place


def run(arguments) -> int:
    arguments.home.mkdir(parents=True, exist_ok=True)
    teacher = teachers.chosen(arguments)
    chosen = {**teacher.parameters, **stack.placed(arguments.on, arguments.mlflow)}
    cloud = cloud_of(arguments, follow=True, mlflow=arguments.mlflow, **teacher.settings)
    teacher.apply(cloud, arguments.mlflow)
    mine = not cloud.running
    cloud.start()
    try:
        changed = stack.deploy(cloud, arguments.home.absolute(), arguments.seed, chosen)
        place = local_place(cloud)
        if arguments.on == "serverless":
            evaluator.register(place)
        print(json.dumps({"endpoint": cloud.endpoint, **place.outputs}, indent=2), flush=True)
        said = "deployed" if changed else "already deployed"
        if mine:
            page = _page(place, arguments)
            print(f"{said}; drop files with `toolsmith drop FILE`; ask the model at {page.address}; stop with Ctrl-C",
                  file=sys.stderr)  # fmt: skip
        else:
            print(f"{said} to a cloud that was running already", file=sys.stderr)
        while mine and cloud.running:
            time.sleep(1)
    finally:
        if mine:
            cloud.stop()
    return 0


def _page(place: Place, arguments) -> Page:
    """Raises Failed where the port is taken."""
    assistant = Assistant(place, arguments.home.absolute() / "corpus")
    port = arguments.port + 1 if arguments.page is None else arguments.page
    try:
        return Page(lambda question: assistant.ask(question).to_json(), port).start()
    except OSError as error:
        raise Failed(f"the page cannot listen on port {port} ({error.strerror}); choose another with --page") from error
