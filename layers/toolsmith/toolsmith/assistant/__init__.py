"""Trying the result: a question, the model's plan, what its calls find in the corpus, an answer from those sources."""

from toolsmith.assistant.conversation import Model, ask
from toolsmith.assistant.corpus import Corpus, open_corpus
from toolsmith.assistant.reply import Reply, Step
from toolsmith.assistant.sources import Source

__all__ = ["Corpus", "Model", "Reply", "Source", "Step", "ask", "open_corpus"]
