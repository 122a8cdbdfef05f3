"""Tokenizer, network, shared-beginning batches and sampler of the embedded student."""

import copy
import json
import shutil

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, Qwen2Config

from local.student import adapters, base, batches, model, sampler
from local.student.settings import Optimizer
from local.student.tokenizer import MARK
from toolsmith import catalog
from toolsmith.errors import InvalidInput

SYSTEM = "Plan the work. " * 12
QUESTIONS = [
    "What does 17 CFR 230.501(a) say?",
    "Check Row 7.2(b) of the Halden ledger",
    "copy x",
    "Alden v. Corrick, and then?",
]


@pytest.fixture(scope="module")
def tokenizer():
    return base.load()[0]


@pytest.fixture(scope="module")
def net(tokenizer):
    torch.set_num_threads(1)
    return model.structured(len(tokenizer), tokenizer.pad_token_id, tokenizer.eos_token_id, seed=3).eval()


@settings(max_examples=150, deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_characters=MARK), max_size=60))
def test_tokenizer_gives_every_text_back(tokenizer, text):
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    if not any(name in text for name in ("<pad>", "<end>", "<sys>", "<user>", "<asst>")):
        assert tokenizer.decode(ids) == text


@pytest.mark.parametrize(
    "span", ["17 CFR 230.501(a)(2)", "Rule 10b-5", "SEC v. W.J. Howey Co.", "Form 10-K of Alden, Inc."]
)
def test_a_span_has_the_same_tokens_in_the_question_and_in_the_plan(tokenizer, span):
    def inner(text):
        tokens = tokenizer.convert_ids_to_tokens(tokenizer(text, add_special_tokens=False)["input_ids"])
        return "|" + "|".join(tokens) + "|"

    alone = inner(span)
    assert alone in inner(f"Does it follow {span}; is that so?")
    assert alone in inner(json.dumps({"query": span}, separators=(",", ":")))


def test_chat_template_starts_an_assistant_turn(tokenizer):
    chat = [{"role": "system", "content": "S"}, {"role": "user", "content": "Q"}]
    assert tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True) == "<sys>S<user>Q<asst>"


def test_first_weights_copy_and_ordinary_ones_do_not(tokenizer, net):
    torch.manual_seed(0)
    ordinary = model.blank(len(tokenizer), tokenizer.pad_token_id, tokenizer.eos_token_id).eval()
    assert model.copying(net) > 0.8
    assert model.copying(ordinary) < 0.05


def test_base_is_checked_against_its_digest(tmp_path):
    folder = tmp_path / "base"
    shutil.copytree(base.BASE, folder)
    base.verify(folder)
    weights = bytearray((folder / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (folder / "model.safetensors").write_bytes(bytes(weights))
    with pytest.raises(InvalidInput, match="model.safetensors"):
        base.verify(folder)


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(InvalidInput, match="config.json"):
        base.load(tmp_path)


def rows(tokenizer):
    return [batches.row(tokenizer, SYSTEM, q, json.dumps({"category": q[:4]})) for q in QUESTIONS]


def separate_loss(net, row):
    logits = net(torch.tensor([row.ids])).logits[0, row.answer - 1 : -1]
    return torch.nn.functional.cross_entropy(logits, torch.tensor(row.ids[row.answer :]), reduction="sum")


def test_shared_beginning_gives_the_loss_and_gradient_of_separate_rows(tokenizer, net):
    made = rows(tokenizer)
    assert batches.shared_length([r.ids for r in made], 9999) > 20
    tokens = sum(len(r.ids) - r.answer for r in made)
    net.zero_grad()
    joint = batches.answer_loss(net, made)
    joint.backward()
    together = {name: p.grad.clone() for name, p in net.named_parameters()}
    net.zero_grad()
    apart = sum(separate_loss(net, r) for r in made) / tokens
    apart.backward()
    assert joint.item() == pytest.approx(apart.item(), abs=1e-4)
    for name, p in net.named_parameters():
        assert torch.allclose(p.grad, together[name], atol=2e-4), name


def test_passes_of_like_length_change_nothing(tokenizer, net):
    made = rows(tokenizer) + [batches.row(tokenizer, SYSTEM, "Long " * 20, "x " * 30)]
    whole = batches.answer_loss(net, made).item()
    assert batches.answer_loss(net, made, groups=3).item() == pytest.approx(whole, abs=1e-4)
    _, target, owner = batches.answer_states(net, made, groups=3)
    for number, row in enumerate(made):
        assert target[owner == number].tolist() == row.ids[row.answer :]


def test_loss_by_row_is_the_mean_of_the_rows_means(tokenizer, net):
    made = rows(tokenizer)
    means = [batches.answer_loss(net, [row]).item() for row in made]
    assert batches.answer_loss(net, made, 2, by_row=True).item() == pytest.approx(sum(means) / len(means), abs=1e-4)
    assert batches.answer_loss(net, made).item() != pytest.approx(sum(means) / len(means), abs=1e-4)


def test_rows_without_anything_in_common_still_work(tokenizer, net):
    made = [batches.Row([7, 8, 9, 10], 2), batches.Row([11, 8, 9], 1)]
    apart = sum(separate_loss(net, r) for r in made) / 4
    assert batches.answer_loss(net, made).item() == pytest.approx(apart.item(), abs=1e-4)


def prompts(tokenizer):
    return [batches.prompt_ids(tokenizer, SYSTEM, q) for q in QUESTIONS]


def test_greedy_answers_equal_the_librarys(tokenizer):
    trained = base.load()[1].eval()  # one without training has near ties, which rounding decides
    system = catalog.student_system_prompt(catalog.load_catalog())
    asked = [batches.prompt_ids(tokenizer, system, q) for q in QUESTIONS]
    mine = sampler.Sampler(trained, tokenizer.eos_token_id).sample(asked, 1, 24, 0.0)
    theirs = sampler._library_sample(trained, asked, 1, 24, 0.0, tokenizer.eos_token_id)
    assert mine == theirs
    assert len({tuple(answer) for answer in mine}) > 1


def test_a_kept_beginning_changes_nothing(tokenizer, net):
    asked = prompts(tokenizer)
    together = sampler.Sampler(net, tokenizer.eos_token_id).sample(asked, 1, 12, 0.0)
    one = sampler.Sampler(net, tokenizer.eos_token_id)
    assert [one.sample([p], 1, 12, 0.0)[0] for p in asked] == together
    assert len(one.kept) >= sampler.REUSE_FROM
    unlike = [batches.prompt_ids(tokenizer, "Another system text.", "Other?")]
    assert one.sample(unlike, 1, 12, 0.0) == sampler.Sampler(net, tokenizer.eos_token_id).sample(unlike, 1, 12, 0.0)


@pytest.mark.parametrize("words", [False, True])
def test_adapters_are_seen_by_the_sampler_and_survive_a_checkpoint(tokenizer, net, words, tmp_path):
    tuned = adapters.add(copy.deepcopy(net), Optimizer(rate=1e-3, rank=4, embeddings=words), seed=1)
    trained = [name for name, weight in tuned.named_parameters() if weight.requires_grad]
    assert any("embed_tokens" in name for name in trained) == words
    with torch.no_grad():
        for name, weight in tuned.named_parameters():
            if "lora_" in name:
                weight.normal_(0, 0.1)
    asked = prompts(tokenizer)
    with_adapter = sampler.Sampler(tuned, tokenizer.eos_token_id).sample(asked, 1, 12, 0.0)
    merged = sampler.Sampler(adapters.merged(tuned), tokenizer.eos_token_id).sample(asked, 1, 12, 0.0)
    plain = sampler.Sampler(net, tokenizer.eos_token_id).sample(asked, 1, 12, 0.0)
    assert with_adapter == merged != plain
    adapters.save(tuned, tokenizer, tmp_path)
    assert sampler.Sampler(base.load(tmp_path)[1], tokenizer.eos_token_id).sample(asked, 1, 12, 0.0) == merged


def test_words_are_drawn_as_often_as_their_probability_says():
    torch.manual_seed(0)
    chances = torch.tensor([0.5, 0.0, 0.3, 0.2, 0.0])
    drawn = sampler._draw((chances.log() * 2.0).expand(20_000, -1), temperature=2.0)
    shares = torch.bincount(drawn, minlength=5) / len(drawn)
    assert shares[1] == shares[4] == 0
    assert torch.allclose(shares, chances, atol=0.015)


def test_temperature_samples_and_the_seed_repeats(tokenizer, net):
    asked = prompts(tokenizer)[:2]
    drawn = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        drawn.append(sampler.Sampler(net, tokenizer.eos_token_id).sample(asked, 3, 8, 1.0))
    assert drawn[0] == drawn[1] != drawn[2]
    assert len(drawn[0]) == 6


def test_another_architecture_trains_and_samples_through_the_library(tokenizer):
    torch.manual_seed(0)
    shape = Qwen2Config(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=512, eos_token_id=1, pad_token_id=0, bos_token_id=None,
    )  # fmt: skip
    other = AutoModelForCausalLM.from_config(shape).eval()
    made = rows(tokenizer)
    apart = sum(separate_loss(other, r) for r in made) / sum(len(r.ids) - r.answer for r in made)
    assert batches.answer_loss(other, made).item() == pytest.approx(apart.item(), abs=1e-4)
    drawn = sampler.Sampler(other, tokenizer.eos_token_id)
    assert not drawn.fast
    assert len(drawn.sample(prompts(tokenizer), 2, 5, 1.0)) == 2 * len(QUESTIONS)
