"""A small Step Functions for one machine: JSONata state machines, durable in one SQLite file.

Read in this order: `engine` (the operations), `interpreter` (how a state machine runs), `mapping` and `distributed`
(fan-out), `tasks` (calls to other services), `journal` (what survives a crash). Facts about the language come from
https://states-language.net/spec.html and https://docs.aws.amazon.com/step-functions/latest/dg/.
"""

from local.states.clock import Clock
from local.states.engine import Engine
from local.states.errors import ApiError, StateError
from local.states.tasks import Call

__all__ = ["ApiError", "Call", "Clock", "Engine", "StateError"]
