"""The demo's cast: a few people who publish small programs, now and then a better version."""

import asyncio
import contextlib
import itertools
import random
import string
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from gitpip_standins.github.world import World


@dataclass(frozen=True)
class DemoUser:
    """Somebody on GitHub."""

    login: str
    id: int


@dataclass(frozen=True)
class Program:
    """One gist: its description, and its files."""

    description: str
    files: dict[str, str]


CAST: Final = (
    DemoUser("ada-lovelace", 1815),
    DemoUser("grace-hopper", 1906),
    DemoUser("alan-turing", 1912),
    DemoUser("margaret-hamilton", 1936),
    DemoUser("barbara-liskov", 1939),
)
GUEST: Final = DemoUser("katherine-johnson", 1918)
"""Nobody tracks her at first, and she publishes nothing more: a user to be added by hand."""


def settle(world: World, now: datetime) -> None:
    """Add the cast and the guest, with one to three gists each, of the weeks before `now`."""
    chance = random.Random(0)  # noqa: S311 - repeatable on purpose
    for actor in (*CAST, GUEST):
        world.add_user(actor.login, actor.id)
        days = sorted(chance.sample(range(2, 40), chance.randint(1, 3)), reverse=True)
        for program, day in zip(chance.sample(PROGRAMS, len(days)), days, strict=True):
            world.add_gist(
                actor.login,
                program.files,
                description=program.description,
                created_at=now - timedelta(days=day, minutes=chance.randrange(600)),
            )


async def perform(world: World, stop: asyncio.Event, pause: timedelta) -> None:
    """Until `stop` is set: one of the `acts` after each `pause`. The cast must have settled."""
    play = acts(world)
    while not await _set_within(stop, pause):
        next(play)


def acts(world: World, *, seed: int = 0) -> Iterator[None]:
    """Without end: a gist each step, every fourth an edit of one; `seed` decides whose.

    The second gist holds a token, and the fifth act is one that Pipedrive refuses at first.
    """
    chance = random.Random(seed)  # noqa: S311 - repeatable on purpose
    planned = {2: _with_a_token(chance), 5: REFUSED}
    published: list[tuple[str, Program]] = []
    for act in itertools.count(1):
        if act % 4 == 0:
            gist_id, program = chance.choice(published)
            name, content = chance.choice(list(program.files.items()))
            world.edit_gist(gist_id, {name: f"{content}{_remark(name, act)}"})
        else:
            program, actor = planned.get(act) or chance.choice(PROGRAMS), chance.choice(CAST)
            gist_id = world.add_gist(
                actor.login, program.files, description=f"{program.description} (take {act})"
            )
            if act not in planned:  # what waits for a person is not edited meanwhile
                published.append((gist_id, program))
        yield


def _with_a_token(chance: random.Random) -> Program:
    """A gist with what looks like a token of GitHub; it is random, and opens nothing."""
    letters = string.ascii_letters + string.digits
    token = "ghp_" + "".join(chance.choices(letters, k=36))
    script = f'#!/bin/sh\nexport GITHUB_TOKEN="{token}"\ngh release create "$1" dist/*\n'
    return Program("Publish a release from the shell", {"release.sh": script})


async def _set_within(stop: asyncio.Event, time: timedelta) -> bool:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), time.total_seconds())
    return stop.is_set()


def _remark(filename: str, act: int) -> str:
    """A comment at the end of a file, in its language."""
    if filename.endswith((".md", ".html")):
        return f"\n<!-- polished, act {act} -->\n"
    if filename.endswith(".sql"):
        return f"-- polished, act {act}\n"
    sign = "#" if filename.endswith((".py", ".rb", ".sh", ".yml")) else "//"
    return f"{sign} polished, act {act}\n"


REFUSED: Final = Program(
    "A letter that the simulated Pipedrive rejects at first: retry it under CRM sync",
    {"letter.md": "# Dear colleagues\n\nThe compiler works. Nobody believes it yet.\n"},
)
"""The file that Pipedrive refuses once, so that a refused file can be seen and retried."""
PROGRAMS: Final = (
    Program(
        "Bernoulli numbers, as noted for the Analytical Engine",
        {
            "bernoulli.py": """from fractions import Fraction
from math import comb


def bernoulli(count: int) -> list[Fraction]:
    numbers = [Fraction(1)]
    for m in range(1, count):
        total = sum(comb(m + 1, k) * numbers[k] for k in range(m))
        numbers.append(-total / (m + 1))
    return numbers


for index, number in enumerate(bernoulli(11)):
    print(index, number)
"""
        },
    ),
    Program(
        "How long is a nanosecond of wire?",
        {
            "nanosecond.go": """package main

import "fmt"

func main() {
\tconst metresPerSecond = 299792458.0
\tfor _, unit := range []struct {
\t\tname    string
\t\tseconds float64
\t}{{"nanosecond", 1e-9}, {"microsecond", 1e-6}} {
\t\tfmt.Printf("light goes %.3f m in a %s\\n", metresPerSecond*unit.seconds, unit.name)
\t}
}
"""
        },
    ),
    Program(
        "A busy beaver for three states",
        {
            "beaver.rs": """use std::collections::HashMap;

fn main() {
    let rules = HashMap::from([
        (('a', 0), (1, 1, 'b')), (('a', 1), (1, -1, 'c')),
        (('b', 0), (1, -1, 'a')), (('b', 1), (1, 1, 'b')),
        (('c', 0), (1, -1, 'b')), (('c', 1), (1, 1, 'h')),
    ]);
    let (mut tape, mut head, mut state, mut steps) = (HashMap::new(), 0, 'a', 0);
    while state != 'h' {
        let (write, step, next) = rules[&(state, *tape.get(&head).unwrap_or(&0))];
        tape.insert(head, write);
        head += step;
        state = next;
        steps += 1;
    }
    println!("{} ones after {} steps", tape.values().sum::<i32>(), steps);
}
"""
        },
    ),
    Program(
        "Restart only what may be restarted",
        {
            "priorities.js": """const jobs = [
  { name: "steering", priority: 1, restartable: true },
  { name: "display", priority: 3, restartable: true },
  { name: "radar", priority: 5, restartable: false },
];

function alarm1202(jobs, capacity) {
  return jobs
    .filter((job) => job.restartable)
    .sort((a, b) => a.priority - b.priority)
    .slice(0, capacity);
}

console.log(alarm1202(jobs, 2).map((job) => job.name).join(", "));
""",
            "README.md": """# 1202

Too much to do: drop everything, then do the important things again.
""",
        },
    ),
    Program(
        "A square is no rectangle",
        {
            "Shapes.java": """interface Shape {
    double area();
}

record Rectangle(double width, double height) implements Shape {
    public double area() { return width * height; }
}

record Square(double side) implements Shape {
    public double area() { return side * side; }
}

class Shapes {
    public static void main(String[] arguments) {
        for (Shape shape : new Shape[] {new Rectangle(2, 3), new Square(2)}) {
            System.out.println(shape + " covers " + shape.area());
        }
    }
}
"""
        },
    ),
    Program(
        "Who has not written for a month?",
        {
            "silent.sql": """SELECT author, max(written_at) AS last_seen
FROM letters
GROUP BY author
HAVING max(written_at) < now() - INTERVAL '1 month'
ORDER BY last_seen;
"""
        },
    ),
    Program(
        "Largest directories first",
        {
            "largest.sh": """#!/bin/sh
# usage: largest.sh [directory] [how many]
du -k "${1:-.}" 2>/dev/null | sort -rn | head -n "${2:-10}"
"""
        },
    ),
    Program(
        "Words that read the same backwards",
        {
            "palindromes.rb": """words = ARGF.read.downcase.scan(/\\p{L}+/).uniq
puts words.select { |word| word.size > 2 && word == word.reverse }.sort
"""
        },
    ),
    Program(
        "Fibonacci as a fold",
        {
            "Fibonacci.hs": """module Main where

fibonacci :: Int -> Integer
fibonacci n = fst (foldr (\\_ (a, b) -> (b, a + b)) (0, 1) [1 .. n])

main :: IO ()
main = mapM_ (print . fibonacci) [0, 10, 100]
"""
        },
    ),
    Program(
        "A tiny page that shows how wide the window is",
        {
            "width.html": """<!DOCTYPE html>
<title>Width</title>
<output></output>
<script src="width.js"></script>
""",
            "width.js": """const output = document.querySelector("output");
const show = () => { output.textContent = `${innerWidth} pixels`; };
addEventListener("resize", show);
show();
""",
        },
    ),
)
