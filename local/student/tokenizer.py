"""The student's tokenizer: a span of the question and the same span inside a JSON string have the same tokens.

Every run of letters and digits starts with a marker, and the space between two such runs is dropped, so
`Form 10-K`, `"Form 10-K"` and `the Form 10-K` share their tokens and copying needs no case for the quote.
Numbers are cut into groups of three digits from the left: a section number is mostly one token, so that copying
seldom meets the same token twice. JSON punctuation is cut as runs. Decoding is exact for text without the marker.
"""

import string
from collections.abc import Iterable

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

MARK = "\x1f"
PAD, END, SYSTEM, USER, ASSISTANT = "<pad>", "<end>", "<sys>", "<user>", "<asst>"
SPECIAL = [PAD, END, SYSTEM, USER, ASSISTANT]

CHAT_TEMPLATE = (
    "{% for m in messages %}"
    "{% if m['role'] == 'system' %}<sys>{{ m['content'] }}"
    "{% elif m['role'] == 'user' %}<user>{{ m['content'] }}"
    "{% else %}<asst>{{ m['content'] }}<end>{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}<asst>{% endif %}"
)

_ALPHANUMERIC = string.ascii_letters + string.digits
_PIECES = Regex(MARK + r"?[A-Za-z]+|" + MARK + r'?\d{1,3}|["{}\[\]:,]+|\s|[^A-Za-z\d\s"{}\[\]:,' + MARK + r"]")


def blank() -> Tokenizer:
    """An untrained tokenizer with the student's splitting and joining rules."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence(
        [
            # one rule per character: a rule of zero width would break the offsets that ByteLevel needs
            *(normalizers.Replace(Regex(f"(?<![A-Za-z0-9]){c}"), MARK + c) for c in _ALPHANUMERIC),
            normalizers.Replace(Regex(r"(?<=[A-Za-z0-9]) " + MARK), MARK),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(_PIECES, "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.ByteLevel(),
            decoders.Replace(Regex(r"(?<=[A-Za-z0-9])" + MARK), " "),
            decoders.Replace(MARK, ""),
        ]
    )
    return tokenizer


def train(texts: Iterable[str], size: int) -> PreTrainedTokenizerFast:
    """Learn `size` tokens from `texts`; every number of up to three digits is a token whether seen or not."""
    tokenizer = blank()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    numbers = [str(n) for n in range(1000)] + [f"{n:02d}" for n in range(100)]
    tails = [f"123{n}" for n in range(10)] + [f"123{n:02d}" for n in range(100)]  # what follows three digits
    tokenizer.train_from_iterator([*texts, *(numbers + tails) * 200], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        padding_side="left",
        clean_up_tokenization_spaces=False,
        chat_template=CHAT_TEMPLATE,
    )
