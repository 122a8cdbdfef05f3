"""requests/*.json: what to crawl. Validated so that a mistake is named by its key."""

import difflib
import re
from datetime import date
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from toolsmith.errors import InvalidInput

_ACCESSION = r"^\d{10}-\d{2}-\d{6}$"


def _iso_date(value: Any) -> Any:
    """Dates are strings; without this pydantic would read a number as seconds since 1970."""
    if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
        raise ValueError('give a date as "2024-12-31"')
    return value


Day = Annotated[date, BeforeValidator(_iso_date)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class EdgarWish(_Strict):
    """Filings of one company by form and date, or one filing by accession number.

    cik may be left out only beside an accession number whose filer filed it itself (its first ten digits).
    """

    cik: int | None = Field(default=None, gt=0, le=9_999_999_999)
    accession: str | None = Field(default=None, pattern=_ACCESSION)
    forms: tuple[str, ...] = ()
    since: Day | None = Field(default=None, alias="from")
    until: Day | None = Field(default=None, alias="to")
    limit: int = Field(default=10, ge=1, le=200)

    @model_validator(mode="after")
    def _says_which(self) -> "EdgarWish":
        if self.cik is None and self.accession is None:
            raise ValueError('name a "cik" or an "accession"')
        if self.since and self.until and self.since > self.until:
            raise ValueError('"from" is later than "to"')
        return self


class CfrWish(_Strict):
    """One part of a CFR title as it stood on a date (the eCFR goes back to 2017-01-01)."""

    title: int = Field(default=17, ge=1, le=50)
    part: str = Field(pattern=r"^\d{1,4}[a-z]?$")
    date: Day = Field(ge=date(2017, 1, 1))


class OpinionWish(_Strict):
    """One opinion by its CourtListener id, or the first `limit` opinions that a search finds."""

    opinion: int | None = Field(default=None, gt=0)
    query: str | None = Field(default=None, min_length=3, max_length=400)
    court: str | None = Field(default=None, pattern=r"^[a-z0-9]{2,15}( [a-z0-9]{2,15})*$")
    filed_after: Day | None = None
    limit: int = Field(default=10, ge=1, le=100)

    @model_validator(mode="after")
    def _says_which(self) -> "OpinionWish":
        if (self.opinion is None) == (self.query is None):
            raise ValueError('name either an "opinion" or a "query"')
        return self


class CrawlRequest(_Strict):
    """A request; refresh asks the source again, conditionally, for documents already held."""

    edgar: tuple[EdgarWish, ...] = ()
    ecfr: tuple[CfrWish, ...] = ()
    courtlistener: tuple[OpinionWish, ...] = ()
    refresh: bool = False

    @model_validator(mode="after")
    def _asks_for_something(self) -> "CrawlRequest":
        if not (self.edgar or self.ecfr or self.courtlistener):
            raise ValueError('name at least one of "edgar", "ecfr", "courtlistener"')
        return self


_MODELS = {"edgar": EdgarWish, "ecfr": CfrWish, "courtlistener": OpinionWish}


def read_request(data: bytes, name: str) -> CrawlRequest:
    """The request in a file. Raises InvalidInput naming the file and every key that is wrong."""
    try:
        return CrawlRequest.model_validate_json(data)
    except ValidationError as error:
        raise InvalidInput(f"{name}: " + "; ".join(_complaint(one) for one in error.errors())) from None


def _complaint(error: Any) -> str:
    where = ""
    for step in error["loc"]:
        where += f"[{step}]" if isinstance(step, int) else f".{step}" if where else step
    if error["type"] == "json_invalid":
        return f"not JSON ({error['ctx']['error']}); write one object such as {{\"ecfr\": [...]}}"
    if error["type"] == "extra_forbidden":
        return f'key "{where}" is unknown; {_meant(error["loc"])}'
    said = error["msg"].removeprefix("Value error, ")
    return f'key "{where}": {said}' if where else said


def _meant(steps: tuple[Any, ...]) -> str:
    model = _MODELS[steps[0]] if len(steps) > 1 else CrawlRequest
    known = [field.alias or name for name, field in model.model_fields.items()]
    near = difflib.get_close_matches(str(steps[-1]), known, 1)
    return f'did you mean "{near[0]}"?' if near else f"known keys: {', '.join(known)}"
