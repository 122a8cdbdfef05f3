"""Teaching: from a chunk to verified examples, through a teacher that may be wrong, slow or misled.

Pure: the teacher is a function handed in. Errors a teacher raises are in toolsmith.errors.
"""

from toolsmith.teaching.answer import Rejection
from toolsmith.teaching.diversity import Axes, Wanted, sample
from toolsmith.teaching.execution import execution_check
from toolsmith.teaching.facts import question_facts
from toolsmith.teaching.prompt import Prompt, build_prompt, make_nonce, repair_prompt
from toolsmith.teaching.reply import TeacherReply, is_cut_off
from toolsmith.teaching.semantic import Review, reviewed_by
from toolsmith.teaching.teach import ChunkOutcome, resume_chunk, teach_chunk
from toolsmith.teaching.verify import Origin, Verification, verify
from toolsmith.tools import load_canon

__all__ = [
    "Axes",
    "ChunkOutcome",
    "Origin",
    "Prompt",
    "Rejection",
    "Review",
    "TeacherReply",
    "Verification",
    "Wanted",
    "build_prompt",
    "execution_check",
    "is_cut_off",
    "load_canon",
    "make_nonce",
    "question_facts",
    "repair_prompt",
    "resume_chunk",
    "reviewed_by",
    "sample",
    "teach_chunk",
    "verify",
]
