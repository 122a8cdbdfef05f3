"""The pretraining curriculum: invented domains of tools and categories, questions about them, and their plans.

No tool, category or sentence of the securities domain occurs here. What is shared with it is the form: a system
text that lists tools with parameters and categories with their tool sequences, and an answer of one line of JSON
whose argument values are spans of the question, or null where the question names no such thing.
"""

import json
from dataclasses import dataclass, field
from random import Random

from local.student.values import KINDS, PREPOSITIONS, Words, ideas, phrase, sentence

ASK = "ask"  # a parameter whose value is the question's own core sentence
WORDY = ("organisation", "phrase", "sentence", "subject", "title")  # kinds that may repeat another value's words


@dataclass(frozen=True)
class Parameter:
    name: str
    kind: str
    nullable: bool = False


@dataclass(frozen=True)
class Tool:
    name: str
    parameters: tuple[Parameter, ...]
    idea: tuple[str, ...]
    description: str


@dataclass(frozen=True)
class Category:
    name: str
    tools: tuple[Tool, ...]
    idea: tuple[str, ...]


@dataclass(frozen=True)
class Domain:
    system: str
    categories: tuple[Category, ...]
    pairs: list[tuple[str, str]] = field(default_factory=list)


def _stem(r: Random, w: Words, idea: tuple[str, ...]) -> str:
    return r.choice(idea[:3]) if r.random() < 0.85 else w.word()


def _tool(r: Random, w: Words, slots: dict[str, str], widest: int) -> Tool:
    idea = r.choice(ideas())
    kinds = r.sample(sorted(slots), min(len(slots), r.choice((1, 1, 1, 2, 3, 4)), widest))
    parameters = [Parameter(slots[kind], kind, len(kinds) > 1 and r.random() < 0.6) for kind in kinds]
    if len(kinds) > 1 and r.random() < 0.3:
        parameters.insert(0, Parameter(r.choice(("query", "question", "text", "request")), ASK))
    elif len(kinds) == 1 and r.random() < 0.4:
        parameters = [Parameter(r.choice(("query", "text", "value")), kinds[0])]
    noun = r.choice((w.word(), slots[kinds[0]].split("_")[0], r.choice(r.choice(ideas()))))
    verb = _stem(r, w, idea)
    name = f"{verb}_{noun}" if r.random() < 0.5 else f"{noun}_{verb}"
    return Tool(name, tuple(_unique(parameters)), idea, _description(r, w, idea, kinds))


def _unique(parameters: list[Parameter]) -> list[Parameter]:
    seen: dict[str, Parameter] = {}
    for parameter in parameters:
        seen.setdefault(parameter.name, parameter)
    return list(seen.values())


def _description(r: Random, w: Words, idea: tuple[str, ...], kinds: list[str]) -> str:
    of = r.choice(KINDS[kinds[0]][1]).replace("_", " ")
    verb = r.choice(idea)
    return r.choice(
        (
            f"{verb} a {of}",
            f"{verb} the {w.word()} of a {of}",
            f"{w.word()} of a {of} or {w.word()}",
            f"{verb} {w.word()} {of}s",
            f"does a {of} {verb}",
            f"{verb} {of} against {w.word()}",
        )
    )


def _categories(r: Random, w: Words, tools: list[Tool], count: int, longest: int) -> list[Category]:
    made: dict[frozenset[str], Category] = {}
    names: set[str] = set()
    for _ in range(count * 6):
        if len(made) == count:
            break
        chosen = tuple(r.sample(tools, min(len(tools), r.choice((1, 1, 2, 2, 3)), longest)))
        idea = r.choice((chosen[-1].idea, chosen[0].idea, r.choice(ideas())))
        stems = [_stem(r, w, tool.idea) for tool in chosen[:2]] + [_stem(r, w, idea)]
        if len(chosen) == 1 or r.random() < 0.4:
            stems = stems[-2:]
        name = "_".join(dict.fromkeys(stems))
        key = frozenset(tool.name for tool in chosen)
        if "_" in name and name not in names and key not in made:
            names.add(name)
            made[key] = Category(name, chosen, idea)
    return list(made.values())


def domain(r: Random, w: Words, hardness: float) -> Domain:
    """An invented domain; `hardness` in [0, 1] widens it from 2 tools and single calls to the full form."""
    kinds = r.sample(sorted(KINDS), 2 if hardness < 0.1 else r.randint(3, 5))
    slots = {kind: (r.choice(KINDS[kind][1]) if r.random() < 0.75 else f"{w.word()}_{w.word()}") for kind in kinds}
    wanted = 2 if hardness < 0.1 else r.randint(3, 5)
    by_name: dict[str, Tool] = {}
    while len(by_name) < wanted:
        tool = _tool(r, w, slots, 1 if hardness < 0.05 else 4)
        by_name.setdefault(tool.name, tool)
    tools = list(by_name.values())
    longest = 1 if hardness < 0.06 else 2 if hardness < 0.15 else 3
    found = _categories(r, w, tools, r.randint(2, 3) if hardness < 0.1 else r.randint(4, 9), longest)
    if hardness > 0.2 and r.random() < 0.4:
        found.append(_unanswerable(r, w, tools))
    return Domain(_system(r, w, tools, found), tuple(found))


def _unanswerable(r: Random, w: Words, tools: list[Tool]) -> Category:
    """The category of questions that no tool of the domain fits; its plan has no calls."""
    name = r.choice(("none", "other", "off_topic", "nothing_fits", "unknown", f"not_{w.word()}", f"{w.word()}_none"))
    foreign = [idea for idea in ideas() if idea not in {tool.idea for tool in tools}]
    return Category(name, (), r.choice(foreign))


# ---- the system text -------------------------------------------------------------------------------------------

SHAPE = '{"category":"...","calls":[{"name":"...","arguments":{...}}]}'


def _signature(r: Random, tool: Tool, style: int) -> str:
    mark = ("{}?", "{}?", "{} or null", "[{}]")[style]
    names = [mark.format(p.name) if p.nullable else p.name for p in tool.parameters]
    return f"{tool.name}({', '.join(names)})"


def _system(r: Random, w: Words, tools: list[Tool], found: list[Category]) -> str:
    style, layout = r.randrange(4), r.randrange(4)
    arrow = r.choice((": ", ": ", " = ", " -> ", " means "))
    joiner = r.choice((", ", ", ", " + ", " then ", " > "))
    lead = r.choice(("", "", "- ", "* "))
    tool_lines = [
        f"{lead}{_signature(r, t, style)}{r.choice((': ', ': ', ' - ')) if layout < 3 else ' '}{t.description}"
        for t in tools
    ]
    category_lines = [f"{lead}{c.name}{arrow}{joiner.join(t.name for t in c.tools) or _nothing(r)}" for c in found]
    separator = "\n" if layout < 3 else "; "
    intro = r.choice(
        (
            f"Plan {w.word()} {w.word()}. Answer with one line of JSON: {SHAPE}",
            f"Choose the category and the calls. Reply as {SHAPE}",
            f"You plan {w.word()} work. Output {SHAPE} and nothing else.",
            f"Answer in JSON only: {SHAPE}",
        )
    )
    rule = r.choice(
        (
            "Copy arguments from the question; null for what is not named.",
            "Arguments are words of the question.",
            "Use null when a thing is absent.",
            "",
        )
    )
    blocks = [
        r.choice(("Tools:", "Functions:", "You can call:")) + "\n" + separator.join(tool_lines),
        r.choice(("Categories:", "Kinds of question:", "Plans:")) + "\n" + separator.join(category_lines),
    ]
    if r.random() < 0.2:
        blocks.reverse()
    return "\n".join(x for x in (intro, rule, *blocks) if x)


def _nothing(r: Random) -> str:
    return r.choice(("no tool fits", "nothing to call", "outside all this, calls are empty", "nobody's job: []"))


# ---- a question and its plan -----------------------------------------------------------------------------------

AUXILIARIES = ("does", "did", "can", "will", "is", "has", "how does", "why does")
OPENERS = ("", "", "", "", "Hello. ", "Please: ", "Quick question. ", "For my boss: ", "One more thing: ", "Hi, ")
CLOSERS = ("", "", "", "", "", " Thank you.", " No rush.", " Keep it short.", " Need it today.")
JOINERS = (" and ", " and then ", ", and ", "; ", ", ", ", then ", ". Also, ", " and also ", ". Then ")


def question(r: Random, w: Words, area: Domain) -> tuple[str, str]:
    """A question of `area` with its plan as one line of JSON."""
    chosen = r.choice(area.categories)
    if not chosen.tools:
        return _unanswerable_question(r, w, chosen), _plan(chosen, {})
    values = _values(r, w, chosen)
    if r.random() < 0.2:
        core = values[ASK] = _keywords(r, w, chosen, values)
        return core, _plan(chosen, values)
    core = _sentence(r, w, chosen, values)
    opener, closer = r.choice(OPENERS), r.choice(CLOSERS)
    core = core[0].upper() + core[1:]
    values[ASK] = core
    if r.random() < 0.1:
        said = sentence(w).rstrip(".")
        opener = (_with_echo(r, said, r.choice(list(values.values()))) if r.random() < 0.3 else said) + ". " + opener
    return opener + core + r.choice(("?", "?", ".", "")) + closer, _plan(chosen, values)


def _unanswerable_question(r: Random, w: Words, chosen: Category) -> str:
    """About something else altogether, in the same shapes as the others."""
    kind = r.choice(sorted(KINDS))
    mine = [KINDS[kind][0](w)] if r.random() < 0.7 else [w.word()]
    if r.random() < 0.2:
        return " ".join((*mine, r.choice(chosen.idea), phrase(w)))
    text = _clause(r, w, chosen.idea, mine)
    if r.random() < 0.3:
        text += r.choice(JOINERS) + phrase(w)
    return r.choice(OPENERS) + text[0].upper() + text[1:] + r.choice(("?", "?", ".", "")) + r.choice(CLOSERS)


def _plan(chosen: Category, values: dict[str, str]) -> str:
    calls = [
        {"name": tool.name, "arguments": {p.name: _bare(values.get(p.kind)) for p in tool.parameters}}
        for tool in chosen.tools
    ]
    return json.dumps({"category": chosen.name, "calls": calls}, separators=(",", ":"), ensure_ascii=False)


def _bare(value: str | None) -> str | None:
    return value.strip('"') if value else value


def _values(r: Random, w: Words, chosen: Category) -> dict[str, str]:
    """The kinds that the question names: all that must be given, and a share of those that may be null."""
    must = {p.kind for tool in chosen.tools for p in tool.parameters if not p.nullable} - {ASK}
    may = sorted({p.kind for tool in chosen.tools for p in tool.parameters} - must - {ASK})
    named = sorted(must) + [kind for kind in may if r.random() < 0.5]
    if not named:
        named = [r.choice(may)]
    values = {kind: KINDS[kind][0](w) for kind in named}
    wordy = [kind for kind in WORDY if kind in values]
    if wordy and len(named) > 1 and r.random() < 0.3:
        into = r.choice(wordy)
        values[into] = _with_echo(r, values[into], values[r.choice([kind for kind in named if kind != into])])
    for kind, share in (("sentence", 0.85), ("phrase", 0.15)):
        if kind in values and r.random() < share:
            values[kind] = f'"{values[kind]}"'
    return values


def _with_echo(r: Random, text: str, other: str) -> str:
    """`text` with a run of one to three of another's words in it: people name a thing again beside its full name."""
    words = other.strip('"').split()
    start = r.randrange(len(words))
    own = text.split()
    at = r.randint(1, max(1, len(own) - 1))
    return " ".join((*own[:at], *words[start : start + r.randint(1, 3)], *own[at:]))


def _keywords(r: Random, w: Words, chosen: Category, values: dict[str, str]) -> str:
    """The values and a word for each tool in any order, as typed into a search box."""
    said = [*values.values(), *(r.choice(tool.idea if r.random() < 0.75 else chosen.idea) for tool in chosen.tools)]
    if r.random() < 0.4:
        said.append(phrase(w))
    r.shuffle(said)
    return r.choice((" ", " ", " ", ", ")).join(said)


def _sentence(r: Random, w: Words, chosen: Category, values: dict[str, str]) -> str:
    """One clause for every tool; a value is said where its first tool needs it, sometimes all values at once."""
    unsaid = dict(values)
    clauses = []
    for tool in chosen.tools:
        mine = [unsaid.pop(p.kind) for p in tool.parameters if p.kind in unsaid]
        idea = tool.idea if r.random() < 0.75 else chosen.idea
        if mine or r.random() < 0.8:
            r.shuffle(mine)
            clauses.append(_clause(r, w, idea, mine))
    text = clauses[0]
    for clause in clauses[1:]:
        text += r.choice(JOINERS) + clause
    return text


def _clause(r: Random, w: Words, idea: tuple[str, ...], mine: list[str]) -> str:
    verb, noun = r.choice(idea), r.choice(idea)
    if not mine:
        return r.choice((f"{verb} it", f"{verb} the {noun}", f"{verb} that {w.word()}", f"is it {verb}"))
    first, rest = mine[0], _mentions(r, w, mine[1:])
    something = r.choice((w.word(), phrase(w), noun))
    shapes = (
        f"{verb} {first}{rest}",
        f"what is the {noun} {r.choice(PREPOSITIONS)} {first}{rest}",
        f"what does {first} {verb}{rest}",
        f"{r.choice(AUXILIARIES)} {first} {verb} {something}{rest}",
        f"I need the {noun} {r.choice(PREPOSITIONS)} {first}{rest}",
        f"{r.choice(PREPOSITIONS)} {first}, {verb} {something}{rest}",
        f"{verb} the {something} {r.choice(PREPOSITIONS)} {first}{rest}",
        f"{first}: {verb} it{rest}",
        f"how {noun} is {first}{rest}",
        f"{r.choice(('is', 'are', 'was'))} {something} {r.choice(PREPOSITIONS)} {first} {verb}{rest}",
        f"{noun} {r.choice(PREPOSITIONS)} {first}{rest}",
        f"{first} says {phrase(w)}, {verb} this{rest}",
        f"which {noun} comes from {first}{rest}",
    )
    return r.choice(shapes)


def _mentions(r: Random, w: Words, more: list[str]) -> str:
    text = ""
    for value in more:
        link = r.choice(
            (
                f" {r.choice(PREPOSITIONS)} ",
                f" {r.choice(PREPOSITIONS)} ",
                f" {r.choice(('given', 'versus', 'and', 'in light of', 'as in', 'despite'))} ",
                ", ",
                f" {r.choice(PREPOSITIONS)} the {w.word()} ",
            )
        )
        text += link + value
    return text


def copy_row(r: Random, w: Words) -> tuple[str, str]:
    """A drill: a few values, and the same values as a JSON list or object."""
    kinds = [r.choice(sorted(KINDS)) for _ in range(r.randint(1, 4))]
    made = [KINDS[kind][0](w).replace('"', "") for kind in kinds]
    if r.random() < 0.5:
        return ", ".join(made), json.dumps(made, separators=(",", ":"), ensure_ascii=False)
    names = [r.choice(KINDS[kind][1]) for kind in kinds]
    return (
        " ".join(f"{n} {v}" for n, v in zip(names, made, strict=True)),
        json.dumps(dict(zip(names, made, strict=True)), separators=(",", ":"), ensure_ascii=False),
    )
