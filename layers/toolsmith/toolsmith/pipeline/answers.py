"""A teacher whose answers are kept, so that a repeated prompt is never paid twice, however it was asked first."""

import hashlib
import json
import threading
from typing import Any

from toolsmith.pipeline.ports import Answers, Voice
from toolsmith.teaching import TeacherReply, is_cut_off

MAX_TOKENS, TEMPERATURE = 4000, 0.5
SENDS = 3  # of a prompt whose answer breaks off on its way
HELLO = {"messages": [{"role": "user", "content": [{"text": "hi"}]}], "inferenceConfig": {"maxTokens": 16}}


def converse_body(system: str, user: str) -> dict[str, Any]:
    """What a teacher is sent, on demand and in a batch: a Converse request without the model's id."""
    return {
        "system": [{"text": system}],
        "messages": [{"role": "user", "content": [{"text": user}]}],
        "inferenceConfig": {"maxTokens": MAX_TOKENS, "temperature": TEMPERATURE},
    }


def prompt_key(model_id: str, body: dict[str, Any]) -> str:
    """64 hex digits of the model and everything it is sent."""
    return hashlib.sha256(json.dumps([model_id, body], sort_keys=True).encode()).hexdigest()


def is_whole(response: Any) -> bool:
    """Whether a Converse response is all there, whatever it says; a body that was cut off on its way is not."""
    return TeacherReply.from_converse(response).stop_reason != "malformed"


class KeptTeacher:
    """Fits toolsmith.pipeline.ports.Teacher. One `voice` is asked "hi" before its first paid prompt."""

    def __init__(self, voice: Voice) -> None:
        self._voice = voice
        self._greeted, self._lock = False, threading.Lock()

    @property
    def model_id(self) -> str:
        return self._voice.model_id

    def ask(self, system: str, user: str, answers: Answers) -> dict[str, Any]:
        """The Converse response to one prompt, from the kept `answers` where there is one.

        Raises TeacherThrottled, TeacherTimeout or TeacherUnavailable (with what to do).
        """
        body = converse_body(system, user)
        key = prompt_key(self.model_id, body)
        if kept := answers.read(key):
            return kept
        self._greet()
        response = self._whole(body)
        if is_whole(response):
            answers.write(key, response)
        return response

    def _whole(self, body: dict[str, Any]) -> dict[str, Any]:
        """The response to a body; one that broke off on its way is asked for again, so that a torn connection does not
        look like a poor answer. The last one where all broke off: the lesson says so."""
        for _ in range(SENDS):
            response = self._voice.converse(body)
            if not is_cut_off(response):
                break
        return response

    def _greet(self) -> None:
        """Once for each sandbox: what a whole corpus would fail with fails here, with what to do, for a word."""
        with self._lock:
            if not self._greeted:
                self._voice.converse(HELLO)
                self._greeted = True
