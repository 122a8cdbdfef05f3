"""The registry of tools and categories, and the prompts written from it."""

import json
import shutil

import pytest

from toolsmith import recipes
from toolsmith.catalog import (
    SlotError,
    full_tools_prompt,
    load_catalog,
    openai_tools,
    render,
    student_system_prompt,
    tool_config,
)
from toolsmith.errors import RecipeInvalid
from toolsmith.grading import citations


@pytest.fixture(scope="module")
def catalog():
    return load_catalog()


@pytest.fixture
def folder(tmp_path):
    copy = tmp_path / "domain"
    shutil.copytree(recipes.path("securities"), copy)
    return copy


def edit(file, change):
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def test_a_sequence_of_tools_names_its_category_and_no_other(catalog):
    for category in catalog.categories.values():
        assert catalog.category_of(category.tools) == category.name
        assert catalog.category_of((*category.tools, category.tools[0])) is None
        assert catalog.category_of(category.tools[:-1]) != category.name


def test_the_student_prompt_names_every_tool_parameter_and_category_and_is_short(catalog):
    prompt = student_system_prompt(catalog)
    for tool in catalog.tools.values():
        assert all(name in prompt for name in (tool.name, *tool.parameters))
    for category in catalog.categories.values():
        assert f"{category.name}: {', '.join(category.tools)}" in prompt
    assert len(prompt) <= 950
    assert "{{" not in prompt


def test_the_full_prompt_is_the_student_prompt_and_every_schema(catalog):
    prompt = full_tools_prompt(catalog)
    assert prompt.startswith(student_system_prompt(catalog))
    specs = [json.loads(line) for line in prompt.splitlines() if line.startswith('{"name"')]
    assert {spec["name"]: spec["parameters"] for spec in specs} == {
        t.name: dict(t.schema) for t in catalog.tools.values()
    }


def test_what_the_services_see_is_reduced(catalog):
    for entry in tool_config(catalog)["tools"]:
        schema = entry["toolSpec"]["inputSchema"]["json"]
        assert set(schema) == {"type", "properties", "required"}
        assert all(spec["type"] == "string" for spec in schema["properties"].values())
    checker = next(t["function"] for t in openai_tools(catalog) if t["function"]["name"] == "compliance_checker")
    assert checker["parameters"]["required"] == ["query"]


def test_the_tool_config_is_accepted_by_the_aws_client(catalog):
    import botocore.session
    from botocore.validate import validate_parameters

    model = botocore.session.get_session().get_service_model("bedrock-runtime")
    request = {
        "modelId": "m",
        "messages": [{"role": "user", "content": [{"text": "q"}]}],
        "toolConfig": tool_config(catalog),
    }
    validate_parameters(request, model.operation_model("Converse").input_shape)


@pytest.mark.parametrize(
    ("file", "change", "says"),
    [
        ("categories.json", lambda c: c["categories"][0].update(tools=["statutes"]), "statutes"),
        ("categories.json", lambda c: c["categories"].append(c["categories"][0]), "twice"),
        ("categories.json", lambda c: c["categories"][0].update(tools=["case_law_search"]), "same tools"),
        ("categories.json", lambda c: c["agreements"].append(["statute_retrieval.x", "x.y"]), "statute_retrieval.x"),
        (
            "categories.json",
            lambda c: c["categories"][2]["arguments"]["compliance_checker"].update(query="null"),
            "compliance_checker.query",
        ),
        ("tools.json", lambda t: t["tools"][0]["schema"].update(additionalProperties=True), "closed"),
        ("tools.json", lambda t: t["tools"][2]["schema"]["required"].pop(), "require"),
        ("tools.json", lambda t: t.update(tools=[]), "non-empty"),
    ],
)
def test_a_broken_recipe_says_where(folder, file, change, says):
    edit(folder / file, change)
    with pytest.raises(RecipeInvalid, match=says) as error:
        load_catalog(folder)
    assert file in str(error.value)


def test_another_domain_is_another_folder(folder):
    edit(folder / "tools.json", lambda t: t["tools"][0].update(name="lookup"))
    edit(
        folder / "categories.json",
        lambda c: c.update(
            categories=[{"name": "plain", "description": "d", "tools": ["lookup"], "sources": ["note"]}], agreements=[]
        ),
    )
    other = load_catalog(folder)
    assert other.category_of(["lookup"]) == "plain"
    assert other.categories_for("note") == ("plain",)
    assert "lookup(" in student_system_prompt(other)


def test_a_prompt_that_lost_a_slot_is_an_error(folder):
    prompt = folder / "student_prompt.txt"
    prompt.write_text(prompt.read_text().replace("{{tools}}", "{tools}"))
    with pytest.raises(SlotError, match=r"student_prompt.txt, line \d"):
        student_system_prompt(load_catalog(folder))


@pytest.mark.parametrize(
    "template", ["{chunk}", "{{ chunk }}", "{{Chunk}}", "${chunk}", "{{chunk", "{{{chunk}}}", "{{chunk}} {other}"]
)
def test_what_only_looks_like_a_slot_is_refused(template):
    with pytest.raises(SlotError):
        render(template, {"chunk": "text"})


@pytest.mark.parametrize("values", [{}, {"a": ""}, {"a": " \n"}, {"a": "x", "b": "y"}])
def test_values_and_slots_must_fit(values):
    with pytest.raises(SlotError):
        render("{{a}}", values)


def test_a_value_is_never_scanned_for_slots():
    assert render("{{a}}|{{b}}", {"a": "{{b}} {x}", "b": "{{a}}"}) == "{{b}} {x}|{{a}}"


def test_json_in_a_template_is_no_slot():
    assert render('{"calls":[{"arguments":{"a":1}}]} {{x}}', {"x": "1"}) == '{"calls":[{"arguments":{"a":1}}]} 1'


def test_the_citation_in_the_tool_description_is_one_the_grader_reads(catalog):
    text = catalog.tools["statute_retrieval"].schema["properties"]["regulation"]["description"]
    for example in text.removeprefix("One citation, e.g. ").split("; "):
        assert citations.citation_of(example) is not None, example
