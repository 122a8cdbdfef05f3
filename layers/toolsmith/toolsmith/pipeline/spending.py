"""The money of a run: estimated before each job, kept in the ledger after it, and held to the budget.

The ledger keeps what a run spends in rows of a kind of its own: one a job, and "budget" where a person has changed what
the run may cost since it was asked for.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from toolsmith.customization import Profile, bedrock_native, cost, matrix
from toolsmith.customization.cost import Tokens
from toolsmith.customization.jobs import load_recipe
from toolsmith.errors import BudgetExceeded, PriceUnknown
from toolsmith.pipeline import thorough
from toolsmith.pipeline.places import BEDROCK, INSTANCES
from toolsmith.pipeline.ports import Ledger

BUDGET = "budget"
_BASE = ("base", "base_tools", *thorough.FEW_SHOT)
_PROMPTS = {"base_tools": "prompt_with_tools", **dict.fromkeys(thorough.FEW_SHOT, "prompt_with_examples")}

Line = dict[str, Any]


def kind_of(run: str) -> str:
    """The kind of the ledger rows that keep what a run spends."""
    return f"SPENDING {run}"


@dataclass(frozen=True)
class Budget:
    """usd: what a run may cost; unpriced: it may start although the price of a job is not known."""

    usd: float
    unpriced: bool = False

    def changed(self, ledger: Ledger, run: str) -> "Budget":
        """This budget with what a person has changed of it for the run since."""
        row = next((row for row in ledger.all(kind_of(run)) if row["id"] == BUDGET), {})
        return Budget(row.get("usd", self.usd), row.get("unpriced", self.unpriced))


def estimate(
    profile: Profile, on: str, jobs: Iterable[tuple[str, str, int]], table: Mapping[str, Any]
) -> list[Line]:
    """One line for each of `jobs` (stage, arm, rows). Raises InvalidInput for a stage the student does not offer."""
    listed = list(jobs)
    cost.estimate(profile.stages, [stage for stage, _, _ in listed], table)
    return [estimate_job(profile, on, *job, table) for job in listed]


def estimate_job(profile: Profile, on: str, stage: str, arm: str, rows: int, table: Mapping[str, Any]) -> Line:
    """{"stage", "arm", "instance_type", "instance_count", "hours", "usd"} of a job with `rows` rows to learn or answer.

    A job without instances has its place for an instance type, and "input_tokens" and "output_tokens". Where no price
    is known usd is None, and "missing" the key of prices.json that lacks one. Raises InvalidInput.
    """
    (line,) = cost.estimate(profile.stages, [stage], table)
    line["arm"] = arm
    if on != INSTANCES:
        line |= {"instance_type": on, "instance_count": 1}
    if profile.free:
        return {**line, "usd": 0.0, "free": True}
    if on == INSTANCES:
        missing = f"instance_hour.{line['instance_type']}"
    else:
        tokens, price = _tokens(profile, on, stage, arm, rows, table), _price(profile, on, stage, arm, table)
        usd, missing = price.usd(tokens), price.key
        line |= {"input_tokens": tokens.read, "output_tokens": tokens.written}
        line["usd"] = usd if usd is None else round(usd, 4)
    return line if line["usd"] is not None else {**line, "missing": missing}


def _tokens(profile: Profile, on: str, stage: str, arm: str, rows: int, table: Mapping[str, Any]) -> Tokens:
    """What a job will be billed for: rows passed over in training, rollouts of reinforcement, questions and answers."""
    each = table["per_row"]
    prompt, answer = each[_PROMPTS.get(arm, "prompt") if stage == "evaluate" else "prompt"], each["answer"]
    if stage == "evaluate":
        return Tokens(rows * prompt, rows * answer)
    training, rft = load_recipe(profile, stage)["training_config"], matrix.technique(stage) == "rft"
    if on == BEDROCK:
        seen = rows * bedrock_native.epochs(profile, stage, rows)
    else:
        steps = training["trainer"]["max_steps"] if rft else training["max_steps"]
        seen = steps * training["global_batch_size"]
    if not rft:
        return Tokens(seen * (prompt + answer), 0)
    rollouts = seen * training["rollout"]["advantage_strategy"]["number_generation"]
    return Tokens(rollouts * prompt, rollouts * answer)


def _price(profile: Profile, on: str, stage: str, arm: str, table: Mapping[str, Any]) -> cost.Price:
    """Bedrock has no evaluation jobs: the base model, or the customized one, is asked at its price on demand."""
    if on == BEDROCK and stage == "evaluate" and arm in _BASE:
        return cost.model_price(profile.base_model_id, table)
    return cost.customization_price(on, profile.base_model_id, matrix.technique(stage), table)


def total(lines: Iterable[Line]) -> float:
    """USD of the lines whose price is known."""
    return round(sum(line["usd"] for line in lines if line["usd"] is not None), 2)


def unpriced(lines: Iterable[Line]) -> list[str]:
    """The keys that prices.json lacks for these lines."""
    return sorted({line["missing"] for line in lines if "missing" in line})


def check(lines: Sequence[Line], budget: Budget, run: str, name: str, asks_approval: bool) -> None:
    """Before a run starts, of all its jobs. Raises PriceUnknown, BudgetExceeded.

    name: the run's request, or what it is without one. asks_approval: a person is asked, and told what has no price.
    """
    missing, usd = unpriced(lines), total(lines)
    if missing and not (budget.unpriced or asks_approval):
        raise PriceUnknown(
            f"{name}: {cost.PRICES} has no price for {', '.join(missing)}, so no budget can stop this run. Write the "
            f"prices of your contract there, deploy, and then `toolsmith redrive {run}`. Or accept a cost that nobody "
            f"knows: for this run with `toolsmith redrive {run} --unpriced`, for a run that you ask for with "
            '"unpriced": true in its request, for every run with RequireApproval=true, which asks a person first'
        )
    if usd > budget.usd:
        controlled = any(line["stage"] == "more_sft" for line in lines)
        leave_out = ", or ask for a run without the control: control: false" if controlled else ""
        raise BudgetExceeded(
            f"{name}: estimated {usd:,.2f} USD is above the budget of {budget.usd:,.2f} USD; raise it for this run "
            f"with `toolsmith redrive {run} --budget-usd {math.ceil(usd)}`, for others with budget_usd in the request "
            f"or the stack's BudgetUsd{leave_out}"
        )


def rows(ledger: Ledger, run: str) -> list[dict[str, Any]]:
    """What the ledger keeps of the jobs of a run: {"id", "stage", "arm", "estimated_usd"}, once it ended also "usd"."""
    return [row for row in ledger.all(kind_of(run)) if row["id"] != BUDGET]


def reserve(ledger: Ledger, run: str, job: str, line: Line, plan: Mapping[str, Any], budget: Budget) -> None:
    """Keep the estimate of a job that is about to start, if the run can pay for it.

    What ended counts as it was paid, what runs as it was estimated. A job that is refused keeps its row, lest a job
    beside it starts only to be stopped as the run fails. plan: "estimate" of all jobs, and the prices that lacked when
    the run was admitted ("unpriced"). Raises PriceUnknown, BudgetExceeded.
    """
    missing = line.get("missing")
    if missing and not budget.unpriced and missing not in plan.get("unpriced", ()):
        raise PriceUnknown(
            f"{job}: {cost.PRICES} has no price for {missing}, and had one, or needed none, when {run} was admitted. "
            f"Write it there, deploy, and then `toolsmith redrive {run}`; or accept a cost that nobody knows with "
            f"`toolsmith redrive {run} --unpriced`"
        )
    kept = ("stage", "arm", "hours", "input_tokens", "output_tokens")
    row = {name: line[name] for name in kept if name in line} | {"estimated_usd": line["usd"]}
    ledger.update(kind_of(run), job, row)
    others = [row for row in rows(ledger, run) if row["id"] != job]
    spent = sum(row["usd"] or 0.0 for row in others if "usd" in row)
    running = sum(row["estimated_usd"] or 0.0 for row in others if "usd" not in row)
    needed = round(spent + running + (line["usd"] or 0.0), 2)
    if needed > budget.usd:
        own = "has no price" if line["usd"] is None else f"is estimated at {line['usd']:,.2f} USD"
        beside = f"; its jobs that have not told what they cost are estimated at {running:,.2f} USD"
        begun = {(row["stage"], row["arm"]) for row in (*others, line)}
        ahead = (each for each in plan.get("estimate", ()) if (each["stage"], each.get("arm")) not in begun)
        later = total(ahead)
        after = f" The jobs after it are estimated at {later:,.2f} USD more."
        raise BudgetExceeded(
            f"{run} has spent {spent:,.2f} USD{beside if running else ''}. {job}, which would start now, {own}. That "
            f"makes {needed:,.2f} USD, above the budget of {budget.usd:,.2f} USD.{after if later else ''} `toolsmith "
            f"redrive {run} --budget-usd {math.ceil(round(needed + later, 2))}` goes on, with money for the rest of "
            "the run; what was paid is not paid again"
        )


def settle(
    ledger: Ledger, profile: Profile, on: str, run: str, stage: str, arm: str, job: str, seconds: float,
    reported: Tokens | int | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Keep what a job has cost, as it is billed.

    reported: the tokens that the job itself tells of; without them a job without instances is taken to have used as
    many as were estimated. Returns {"usd"}, None where no price is known; of a job without instances also {"tokens",
    "estimated"}, where it has told or was given an estimate of any.
    """
    table = cost.prices()
    if profile.free:
        found: dict[str, Any] = {"usd": 0.0}
    elif on == INSTANCES:
        entry = profile.stage(stage)
        usd = cost.job_usd(entry["instance_type"], entry["instance_count"], seconds, table)
        found = {"usd": usd if usd is None else round(usd, 2)}
    else:
        found = _by_token(ledger.get(kind_of(run), job) or {}, _price(profile, on, stage, arm, table), reported)
    ledger.update(kind_of(run), job, {"stage": stage, "arm": arm, "seconds": round(seconds, 1), **found})
    return found


def refused(ledger: Ledger, run: str, stage: str, arm: str, job: str) -> None:
    """Keep that a job was not taken by its service, and so has cost nothing."""
    ledger.update(kind_of(run), job, {"stage": stage, "arm": arm, "usd": 0.0})


def _by_token(row: Mapping[str, Any], price: cost.Price, reported: Tokens | int | None) -> dict[str, Any]:
    expected = Tokens(row["input_tokens"], row["output_tokens"]) if "input_tokens" in row else None
    tokens = (expected or Tokens(reported, 0)).scaled(reported) if isinstance(reported, int) else reported or expected
    if tokens is None:
        return {"usd": None}
    usd = price.usd(tokens)
    return {"usd": usd if usd is None else round(usd, 4), "tokens": tokens.total, "estimated": reported is None}
