"""From verified examples to a dataset: select, split, check, export, describe. Pure: bytes in, bytes out."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from toolsmith.catalog import Catalog, load_catalog
from toolsmith.datasets import abstention, canonical, card, export, gate, select, validate
from toolsmith.datasets.accept import accepted
from toolsmith.datasets.split import FRACTIONS, SPLITS, assign
from toolsmith.errors import InvalidInput

Example = Mapping[str, Any]
Check = Callable[[Example], str | None]
Facts = Callable[[str], Mapping[str, Any]]
RFT_ROWS = 100  # a job's least (Amazon Nova user guide, "Preparing data for RFT")
COUNTED = ("source", "category", "persona", "register")


@dataclass(frozen=True)
class DatasetConfig:
    """How a dataset is cut.

    fractions: share of the examples per split. near_threshold: Jaccard index of masked words from which questions are
    copies. quotas: category -> least examples wanted over all splits (a shortfall is reported, not fatal).
    least: examples each split must have (fewer raise DatasetTooSmall). style: of the SFT answers.
    sft_limit: label only so many training examples for SFT (all when None); RFT has the whole training split.
    unlabelled: registers whose training questions are used without their plans, as people's own questions would be:
    SFT does not see them, and RFT has the facts that the tools find for them instead of a reference.
    abstention: share of each split that asks what no tool can answer (recipe abstention.json), from 0 to below 1;
    the SFT rows of the native style have none of these.
    """

    seed: int = 0
    fractions: Mapping[str, float] = field(default_factory=lambda: dict(FRACTIONS))
    near_threshold: float = 0.8
    quotas: Mapping[str, int] = field(default_factory=dict)
    least: Mapping[str, int] = field(default_factory=lambda: {"train": 100, "validation": 8, "test": 20})
    style: str = "plan"
    sft_limit: int | None = None
    unlabelled: tuple[str, ...] = ()
    abstention: float = 0.06

    def __post_init__(self) -> None:
        if self.style not in export.STYLES:
            raise InvalidInput(f"style {self.style!r} is unknown: use one of {', '.join(export.STYLES)}")
        if set(self.fractions) != set(SPLITS) or abs(sum(self.fractions.values()) - 1) > 1e-6:
            raise InvalidInput(f"fractions must name {', '.join(SPLITS)} and sum to 1, not {dict(self.fractions)}")
        if not 0 < self.near_threshold <= 1:
            raise InvalidInput(f"near_threshold is a fraction above 0, not {self.near_threshold}")
        if not 0 <= self.abstention < 1:
            raise InvalidInput(f"abstention is a share from 0 to below 1, not {self.abstention}")


@dataclass(frozen=True)
class Dataset:
    """A dataset ready to be stored under datasets/<digest>/.

    files: path -> bytes, with manifest.json and card.md. splits: split -> examples. dropped: what was left out.
    """

    digest: str
    files: Mapping[str, bytes]
    manifest: Mapping[str, Any]
    splits: Mapping[str, list[dict[str, Any]]]
    dropped: tuple[select.Drop, ...]


def assemble(
    examples: Iterable[Example],
    check: Check,
    config: DatasetConfig | None = None,
    *,
    catalog: Catalog | None = None,
    canonical_citation: Callable[[str], str | None] = lambda text: None,
    facts: Facts = lambda question: {},
    rejections: Mapping[str, int] | None = None,
) -> Dataset:
    """Build a dataset; the same examples in any order give the same bytes.

    check: execution against the whole corpus; says what does not resolve, or None. canonical_citation: the citation
    canon, for accepted values. facts: what the tools find for a question, for those without a label.
    rejections: reason -> count from teaching, for the card.
    Raises DatasetTooSmall, DatasetLeaks, RecipeInvalid (a wrong abstention.json), and InvalidInput when a row would be
    refused by the service.
    """
    config, catalog = config or DatasetConfig(), catalog or load_catalog()
    selection = select.start(examples)
    select.drop_reserved(selection)
    select.drop_sensitive(selection)
    select.drop_unresolved(selection, check)
    select.drop_exact(selection)
    placed = assign(selection.kept, config.seed, config.fractions)
    select.drop_near(selection, placed, config.near_threshold)
    for example in selection.kept:
        example["accept"] = example.get("accept") or accepted(example["calls"], canonical_citation)
    splits = _splits(selection.kept, placed)
    gate.require_enough(splits, config.least, select.reasons(selection.dropped))
    if config.abstention:
        splits, near = _with_abstention(splits, config, catalog)
        selection.dropped += near
    gate.require_no_leak(splits, config.near_threshold)
    files = _export(splits, export.Prompts.of(catalog), config, facts)
    validate.require(validate.check_all(files, _least_rows(files, config)))
    return _describe(files, splits, selection.dropped, config, catalog, rejections or {})


def _splits(kept: Iterable[dict[str, Any]], placed: Mapping[str, str]) -> dict[str, list[dict[str, Any]]]:
    """Examples by split in the order of their ids; ids are digests, so no job sees them sorted by document."""
    splits: dict[str, list[dict[str, Any]]] = {name: [] for name in SPLITS}
    for example in kept:
        splits[placed[example["group"]]].append(example)
    return splits


def _with_abstention(
    splits: Mapping[str, list[dict[str, Any]]], config: DatasetConfig, catalog: Catalog
) -> tuple[dict[str, list[dict[str, Any]]], list[select.Drop]]:
    """Registers without labels are passed over: without its label nothing says that a question wants no call."""
    pool = [example for example in abstention.read(catalog) if example["register"] not in config.unlabelled]
    return abstention.join(splits, pool, config.abstention, config.seed, config.fractions, config.near_threshold)


def _export(
    splits: Mapping[str, list[dict[str, Any]]], prompts: export.Prompts, config: DatasetConfig, facts: Facts
) -> dict[str, bytes]:
    def sft(example: Example) -> dict[str, Any]:
        return export.sft_row(example, prompts, config.style)

    def rft(example: Example) -> dict[str, Any]:
        known = {"facts": facts(example["question"])} if example["register"] in config.unlabelled else None
        return export.rft_row(example, prompts, known)

    train, validation, test = (splits[name] for name in SPLITS)
    told = [example for example in train if example["register"] not in config.unlabelled]
    if config.style == "native":  # the service takes native calls in all rows or in none
        told, validation = ([e for e in part if not abstention.is_abstention(e)] for part in (told, validation))
    return {
        "examples.jsonl": canonical.jsonl(example | {"split": name} for name in SPLITS for example in splits[name]),
        "sft/train.jsonl": export.rows(_labelled(told, config.sft_limit), sft),
        "sft/validation.jsonl": export.rows(validation, sft),
        "rft/train.jsonl": export.rows(train, rft),
        "rft/validation.jsonl": export.rows(splits["validation"], rft),
        "eval/gen_qa.jsonl": export.rows(test, lambda e: export.eval_row(e, prompts.student)),
        "eval_tools/gen_qa.jsonl": export.rows(test, lambda e: export.eval_row(e, prompts.with_tools)),
        "eval/references.jsonl": export.rows(
            test, lambda e: export.reference_row(e, e["register"] not in config.unlabelled)
        ),
    }


def _labelled(train: list[dict[str, Any]], limit: int | None) -> list[dict[str, Any]]:
    """The first `limit` examples, taken in turn from the categories so that none is missing."""
    if limit is None or limit >= len(train):
        return train
    turn: Counter[str] = Counter()
    ranked = []
    for place, example in enumerate(train):
        turn[example["category"]] += 1
        ranked.append((turn[example["category"]], place))
    chosen = {place for _, place in sorted(ranked)[:limit]}
    return [example for place, example in enumerate(train) if place in chosen]


def _least_rows(files: Mapping[str, bytes], config: DatasetConfig) -> dict[str, int]:
    """Row minimums of the service apply to what a job trains on; smaller ones only if the configuration asks."""
    least = {name: 1 for name in files}
    least["sft/train.jsonl"] = min(8, config.least.get("train", 8))
    least["rft/train.jsonl"] = min(RFT_ROWS, config.least.get("train", RFT_ROWS))
    return least


def _describe(
    files: dict[str, bytes],
    splits: Mapping[str, list[dict[str, Any]]],
    dropped: list[select.Drop],
    config: DatasetConfig,
    catalog: Catalog,
    rejections: Mapping[str, int],
) -> Dataset:
    digest = canonical.digest(files)
    taught = {name: [e for e in splits[name] if not abstention.is_abstention(e)] for name in SPLITS}
    everyone = [example for name in SPLITS for example in taught[name]]
    manifest = {
        "dataset": digest,
        "format": 1,
        "registry": catalog.registry,
        "config": asdict(config),
        "files": {
            name: {"sha256": canonical.sha256(data), "bytes": len(data), "rows": data.count(b"\n")}
            for name, data in files.items()
        },
        "counts": _counts(splits),
        "groups": {name: sorted({e["group"] for e in examples}) for name, examples in taught.items()},
        "documents": len({e["document"] for e in everyone}),
        "teachers": sorted({e["provenance"]["teacher"] for e in everyone}),
        "dropped": select.reasons(dropped),
        "rejections": dict(rejections),
        "shortfalls": [
            *gate.shortfalls(taught, catalog.categories, config.quotas),
            *abstention.shortfalls(splits, config.abstention),
        ],
    }
    described = files | {
        "manifest.json": canonical.document(manifest),
        "card.md": card.render(manifest, splits, catalog).encode(),
    }
    return Dataset(digest, described, manifest, splits, tuple(dropped))


def _counts(splits: Mapping[str, list[dict[str, Any]]]) -> dict[str, Any]:
    everything = [example for name in SPLITS for example in splits[name]]
    counts: dict[str, Any] = {"examples": len(everything), "split": {n: len(splits[n]) for n in SPLITS}}
    for key in COUNTED:
        counts[key] = {
            value: {n: sum(e[key] == value for e in splits[n]) for n in SPLITS}
            for value in sorted({str(e[key]) for e in everything})
        }
    counts["abstention"] = abstention.counts(splits)
    counts["tool"] = dict(sorted(Counter(c["name"] for e in everything for c in e["calls"]).items()))
    counts["difficulty"] = card.difficulty_bands(everything)
    return counts
