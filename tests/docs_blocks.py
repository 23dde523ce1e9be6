#!/usr/bin/env python3
"""Compiles and runs the code blocks of PAGES and docs/**/*.md against an installed library, and checks what the pages name.

    $(scripts/setup --python) tests/docs_blocks.py PREFIX [PAGE ...]        all pages unless some are given

A block is tested by its language, and by a comment on the line above it, if there is one:

    <!-- test: from PATH -->              its lines stand like this in the repository's file PATH (which other tests compile)
    <!-- test: as NAME -->                it is kept as the file NAME, for the page's later blocks
    <!-- test: in frame NAME -->          it is compiled and run in place of the line `block` of the frame tests/docs/NAME.LANGUAGE
    <!-- test: run -->                    sh: it is run
    <!-- test: messages -->               text: messages of the library's sources, with values in place of {}, an empty line between two
    <!-- test: output -->                 text: what the last block that was run printed, other numbers apart
    <!-- test: not run, because … -->     it is not; a json block is no options then

Without one: c, cpp, fortran are whole programs, compiled and run, python is run, julia has its syntax checked (few machines have a julia),
cmake is a whole CMakeLists.txt, configured and built, json is parsed and taken for options, sh has its commands looked up, text stands as it
is. All blocks of a page share a folder, in which there is a small model, model.laser; /opt/laser in a block stands for PREFIX.

Of the words in a page, functions, constants, keys, make targets, links and paths of the repository must exist. docs/reference.md has to name
every function, and Doxygen to run without a warning. tests/docs/wrong.md is a page of blocks and words each of which must be refused, for the
reason that it gives. Prints `ok NAME` or `FAILED NAME` for each; the exit status is 0 when none failed.
"""

import ctypes
import json
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts" / "bindings"))
import julia_source  # noqa: E402

PAGES = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "python/README.md"]
FRAMES = ROOT / "tests" / "docs"
OUT = ROOT / "build" / "docs_blocks"
WRONG = FRAMES / "wrong.md"
SECONDS = 120  # more than any block may take

SUFFIXES = {"c": "c", "cpp": "cpp", "fortran": "f90", "cmake": "cmake"}
C_WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Wno-unused"]


class Refused(Exception):
    """What is wrong with a block or a word."""


@dataclass
class Block:
    name: str
    language: str
    text: str
    directive: str


# --- reading a page ---


def read_blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, with the comment above each."""
    blocks, comment, lines = [], "", iter(enumerate(page.read_text(encoding="utf-8").splitlines(), 1))
    for number, line in lines:
        if fence := re.match(r"( *)```(\w*)", line):
            body = []
            for _, inner in lines:
                if inner.strip() == "```":
                    break
                body.append(inner.removeprefix(fence[1]))
            else:
                raise Refused(f"line {number}: the block does not end")
            blocks.append(Block(f"{page.relative_to(ROOT)}:{number}", fence[2], "\n".join(body) + "\n", comment))
        if found := re.fullmatch(r"<!-- test: (.+?) -->", line.strip()):
            comment = found[1]
        elif line.strip():
            comment = ""
    return blocks


def prose(page: Path) -> str:
    """A page without its blocks and comments."""
    text = re.sub(r"(?ms)^ *```.*?^ *```$", "", page.read_text(encoding="utf-8"))
    return re.sub(r"(?s)<!--.*?-->", "", text)


# --- testing a block ---


class Bench:
    """Where the blocks of one page are tested."""

    def __init__(self, prefix: Path, page: Path):
        self.prefix = prefix
        self.folder = OUT / page.relative_to(ROOT).with_suffix("")
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        if (OUT / "model.laser").exists():
            shutil.copy(OUT / "model.laser", self.folder)
        self.output = ""
        self.programs = 0

    def test(self, block: Block) -> None:
        word, _, argument = block.directive.partition(" ")
        text = block.text.replace("/opt/laser", str(self.prefix))
        if word == "not":
            reason = re.fullmatch(r"run, because (\S.+)", argument)
            if not reason or len(reason[1].split()) < 3:
                raise Refused("`not run, because` needs a reason")
            if block.language == "json":
                json.loads(text)
        elif word == "from":
            quoted_from(ROOT / argument, block.text)
        elif word == "as":
            (self.folder / argument).write_text(text, encoding="utf-8")
            if block.language == "json":
                self.options(text)
        elif word == "in":
            frame = FRAMES / f"{argument.removeprefix('frame ')}.{SUFFIXES[block.language]}"
            self.program(block.language, fill(frame, text))
        elif word == "run":
            self.run("bash", "-euo", "pipefail", "-c", text)
        elif word == "messages":
            for message in (" ".join(paragraph.split()) for paragraph in text.split("\n\n")):
                if not any(known.fullmatch(message) for known in messages()):
                    raise Refused(f"no message of the sources: {message}")
        elif word == "output":
            if masked(text) != masked(self.output):
                raise Refused(f"the output was\n{self.output}")
        elif word:
            raise Refused(f"there is no directive `{block.directive}`")
        elif block.language in ("c", "cpp", "fortran"):
            if not re.search(r"\bint main\(|^program ", text, re.M):
                raise Refused("neither a whole program nor `in frame`, `from` or `as`")
            self.program(block.language, text)
        elif block.language == "cmake":
            self.program(block.language, text)
        elif block.language == "python":
            self.run(sys.executable, "-c", text)
        elif block.language == "julia":
            if julia_source.PARSER.parse(text.encode()).root_node.has_error:
                raise Refused("a syntax error")
        elif block.language == "json":
            self.options(text)
        elif block.language == "sh":
            look_up(text)
        elif block.language != "text":
            raise Refused(f"the language `{block.language}` has no test; `text` needs none")

    def run(self, *command) -> None:
        hidden = ("LD_LIBRARY_PATH", "PKG_CONFIG_PATH", "CMAKE_PREFIX_PATH")  # users set none of them
        environment = {name: value for name, value in os.environ.items() if name not in hidden}
        done = subprocess.run([str(word) for word in command], cwd=self.folder, env=environment, stdin=subprocess.DEVNULL, timeout=SECONDS,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        self.output = done.stdout
        if done.returncode != 0:
            raise Refused(f"{command[0]} ended with {done.returncode}\n{done.stdout}")

    def program(self, language: str, text: str) -> None:
        """Builds a program, and runs it."""
        self.programs += 1
        if language == "cmake":
            project = self.folder / f"project_{self.programs}"
            project.mkdir()
            for file in self.folder.iterdir():
                if file.is_file():
                    shutil.copy(file, project)
            (project / "CMakeLists.txt").write_text(text, encoding="utf-8")
            self.run("cmake", "-S", project, "-B", project / "build", f"-DCMAKE_PREFIX_PATH={self.prefix}")
            self.run("cmake", "--build", project / "build")
            return
        source = self.folder / f"program_{self.programs}.{SUFFIXES[language]}"
        source.write_text(text, encoding="utf-8")
        binary = source.with_suffix("")
        library = [f"-I{self.prefix}/include", f"-L{self.prefix}/lib", "-llaser", f"-Wl,-rpath,{self.prefix}/lib"]
        if language == "c":
            self.run("cc", "-std=gnu99", *C_WARNINGS, "-o", binary, source, *library, "-lm", "-pthread")
        elif language == "cpp":
            self.run("c++", "-std=c++17", *C_WARNINGS, "-o", binary, source, *library, "-pthread")
        else:
            self.run("gfortran", "-fopenmp", f"-J{self.folder}", "-o", binary, self.prefix / "include" / "laser.f90", source, *library)
        self.run(binary)

    def options(self, text: str) -> None:
        """Whether the library takes it for options."""
        json.loads(text)
        library, options = ctypes.CDLL(str(next(self.prefix.glob("lib/**/liblaser.so.0")))), ctypes.c_void_p()
        if library.laser_options_from_json(text.encode(), ctypes.byref(options)) != 0:
            message = ctypes.create_string_buffer(1000)
            library.laser_last_error(message, ctypes.c_size_t(1000), None)
            raise Refused(message.value.decode())
        library.laser_options_free(options)


def fill(frame: Path, text: str) -> str:
    """A frame with the block in place of its line `block`."""
    if not frame.exists():
        raise Refused(f"there is no frame {frame.relative_to(ROOT)}")
    lines = frame.read_text(encoding="utf-8").splitlines()
    place = [i for i, line in enumerate(lines) if line.strip(" /*#!") == "block"]
    if len(place) != 1:
        raise Refused(f"{frame.relative_to(ROOT)} has {len(place)} lines `block`, not one")
    return "\n".join([*lines[: place[0]], text, *lines[place[0] + 1 :]]) + "\n"


def quoted_from(path: Path, text: str) -> None:
    """Whether the lines stand in the file, one after the other; the block may be indented less."""
    def stripped(lines):
        least = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
        return [line[least:] for line in lines]

    wanted, lines = stripped(text.splitlines()), path.read_text(encoding="utf-8").splitlines()
    if not any(stripped(lines[i : i + len(wanted)]) == wanted for i in range(len(lines) - len(wanted) + 1)):
        raise Refused(f"{path.relative_to(ROOT)} has no such lines")


@cache
def messages() -> list[re.Pattern]:
    """What the library can say: the string literals of its sources, with anything in place of their {}."""
    found = []
    sources = [source for source in (ROOT / "src").rglob("*.rs") if "tests" not in (*source.parent.parts, source.stem)]
    for source in sources:
        for literal in re.findall(r'"((?:[^"\\]|\\.)*)"', source.read_text(encoding="utf-8")):
            words = re.split(r"\{[^{}]*\}", re.sub(r"\\\n\s*", "", literal).replace('\\"', '"'))
            if len(" ".join(words).split()) > 2:
                found.append(re.compile(".+".join(map(re.escape, words))))
    return found


def masked(text: str) -> list[str]:
    """The lines of an output, for comparison: other CPUs round otherwise."""
    return [" ".join(re.sub(r"-?\d+(\.\d+)?(e[-+]?\d+)?|\bnan\b", "#", line).split()) for line in text.strip().splitlines()]


@cache
def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))


def look_up(text: str) -> None:
    """Whether the programs, scripts and make targets of shell commands exist."""
    for line in re.sub(r"\\\n", " ", text).splitlines():
        for command in re.split(r"&&|\|\||[|;]", re.sub(r"\$\([^)]*\)|'[^']*'|(^|\s)#.*", "", line)):
            words = [word for word in command.split() if not re.match(r"\w+=", word)]
            if not words or words[0] in ("export", "cd", "for", "do", "done"):
                continue
            if words[0] == "make":
                unknown = [word for word in words[1:] if not word.startswith("-") and word not in make_targets()]
                if unknown:
                    raise Refused(f"the Makefile has no target {unknown[0]}")
            elif "/" in words[0] and not words[0].startswith("./") and not (ROOT / words[0]).exists():
                raise Refused(f"there is no {words[0]}")
            elif "/" not in words[0] and words[0] not in ("julia", "laser") and not shutil.which(words[0]):
                raise Refused(f"there is no program {words[0]}")


# --- testing words ---


@cache
def names(*headers: str) -> set[str]:
    return {name for header in headers for name in re.findall(r"\w+", (ROOT / "include" / header).read_text(encoding="utf-8"))}


@cache
def other_names() -> set[str]:
    """Files called laser_…, and variables of the environment."""
    found = {path.stem for folder in ("examples-*", "include") for path in ROOT.glob(f"{folder}/**/laser_*")}
    for path in [ROOT / "scripts" / "test", ROOT / "tests" / "docs.rs", ROOT / "tests" / "bits.rs"]:
        found |= set(re.findall(r"\bLASER_[A-Z_]+\b", path.read_text(encoding="utf-8")))
    return found


@cache
def keys() -> set[str]:
    return set(re.findall(r"^\| `([\w.]+)`", (ROOT / "docs" / "options.md").read_text(encoding="utf-8"), re.M))


@cache
def folders() -> set[str]:
    """The folders of the repository, but for what is built."""
    return {path.name for path in ROOT.iterdir() if path.is_dir()} - {"build", "target"}


@cache
def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ +(.+)$", prose(page), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def is_key(word: str) -> bool:
    """An option, a number of a model's record (laser.h lists them) or a diagnostic of a sampler."""
    parts = word.split(".")
    if parts[-1] in ("weight", "bias", "module"):
        return True  # a tensor
    if parts[0] not in {key.split(".")[0] for key in keys()} | {"omnifold", "chains"}:
        return True  # something else with a dot
    return word in keys() or all(part.isdigit() or part in names("laser.h") for part in parts)


def word_errors(page: Path) -> list[str]:
    """Names in the whole page, keys, make targets, paths and links in its prose that do not exist."""
    whole, text = page.read_text(encoding="utf-8"), prose(page)
    wrong = []
    for word in set(re.findall(r"\b(?:laser|LASER)_\w+", whole)):
        group = word.endswith("_") and any(name.startswith(word) for name in names("laser.h"))
        stands_for_names = re.fullmatch(r"laser(_[A-Z])+", word)
        if not group and not stands_for_names and word not in names("laser.h", "laser.f90") | other_names():
            wrong.append(f"laser.h has no {word}")
    for word in set(re.findall(r"\blaser::([\w:]+)", whole)):
        if not set(word.split("::")) <= names("laser.hpp") | {"laser", "fortran"}:
            wrong.append(f"laser.hpp has no laser::{word}")
    for word in set(re.findall(r"`([^`\n]+)`", text)):
        if re.fullmatch(r"\w+(\.\w+)+", word) and not is_key(word):
            wrong.append(f"there is no key {word}")
        if re.fullmatch(r"[\w-]+/[\w./-]*", word) and word.split("/")[0] in folders() and not (ROOT / word).exists():
            wrong.append(f"the repository has no {word}")
        target = re.match(r"make ([a-z-]+)", word)
        if target and target[1] not in make_targets():
            wrong.append(f"the Makefile has no target {target[1]}")
    for link in set(re.findall(r"\]\(([^)\s]+)\)", text)):
        path, _, anchor = link.partition("#")
        if re.match(r"https?:|mailto:", link):
            continue
        target = page.parent / path if path else page
        if not target.exists():
            wrong.append(f"the link {link} leads nowhere")
        elif anchor and target.suffix == ".md" and anchor not in anchors(target):
            wrong.append(f"{target.name} has no heading #{anchor}")
    return wrong


# --- all of it ---


def outcome(test, *arguments) -> str:
    """What is wrong, or nothing."""
    try:
        test(*arguments)
    except (Refused, OSError, ValueError, KeyError, subprocess.TimeoutExpired) as error:
        return str(error) or type(error).__name__
    return ""


def test_page(prefix: Path, page: Path) -> list[tuple[str, str]]:
    """Names of the page's tests, each with what is wrong."""
    bench = Bench(prefix, page)
    results = [(f"{page.relative_to(ROOT)}: words", "\n".join(word_errors(page)))]
    for block in read_blocks(page):
        results.append((f"{block.name} {block.language}", outcome(bench.test, block)))
    return results


def test_wrong(prefix: Path) -> list[tuple[str, str]]:
    """Every block of the page of wrong ones must be refused for the reason in the line `Refused: …` before it, and each word listed."""
    bench, results = Bench(prefix, WRONG), []
    reasons = re.findall(r"^Refused: (.+)$", WRONG.read_text(encoding="utf-8"), re.M)
    for block, reason in zip(read_blocks(WRONG), reasons, strict=True):
        wrong = outcome(bench.test, block)
        other = f"not for `{reason}`, but for: {wrong or 'nothing'}"
        results.append((f"{block.name} {block.language} is refused", "" if reason in wrong else other))
    errors = word_errors(WRONG)
    for word in re.findall(r"^- (.+)$", prose(WRONG), re.M):
        name = max(re.findall(r"[\w:.#-]+", word), key=len)
        refused = any(name in error for error in errors)
        results.append((f"{WRONG.relative_to(ROOT)}: {name} is refused", "" if refused else "it was accepted"))
    return results


def test_reference() -> list[tuple[str, str]]:
    """The pages that Doxygen makes, and whether each function, with its parameters and result, is documented."""
    header = re.sub(r"(?s)/\*.*?\*/", "", (ROOT / "include" / "laser.h").read_text(encoding="utf-8"))
    page = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    missing = sorted(set(re.findall(r"\b(laser_\w+)\(", header)) - set(re.findall(r"\blaser_\w+", page)))
    results = [("docs/reference.md names every function", ", ".join(missing))]
    complete = """
        @INCLUDE = docs/Doxyfile
        INPUT = include/laser.h
        USE_MDFILE_AS_MAINPAGE =
        EXTRACT_ALL = NO
        WARN_NO_PARAMDOC = YES
        HTML_OUTPUT = docs_blocks/html
    """
    for name, file, text in [("doxygen docs/Doxyfile", "docs/Doxyfile", ""), ("laser.h is documented completely", "-", complete)]:
        if not shutil.which("doxygen"):
            results.append((name, "there is no doxygen; scripts/setup installs it"))
            continue
        done = subprocess.run(["doxygen", file], cwd=ROOT, input=text, timeout=SECONDS, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        results.append((name, "" if done.returncode == 0 else f"exit status {done.returncode}\n{done.stdout}"))
    return results


def main() -> int:
    if len(sys.argv) < 2:
        print(__doc__)
        return 2
    prefix = Path(sys.argv[1]).resolve()
    pages = [Path(page).resolve() for page in sys.argv[2:]] or [*(ROOT / name for name in PAGES), *sorted((ROOT / "docs").rglob("*.md"))]
    OUT.mkdir(parents=True, exist_ok=True)
    # What blocks of Python import: the package as it stands here, with the installed library.
    os.environ.update(PYTHONPATH=str(ROOT / "python" / "src"), LASER_LIBRARY=str(next(prefix.glob("lib/**/liblaser.so.0"))))
    model = Block("tests/docs/fixture.c", "c", (FRAMES / "fixture.c").read_text(encoding="utf-8"), "")
    results = [(model.name, outcome(Bench(prefix, FRAMES / "fixture.c").test, model))]
    shutil.move(OUT / "tests" / "docs" / "fixture" / "model.laser", OUT / "model.laser")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for page in pool.map(lambda page: test_page(prefix, page), pages):
            results += page
    results += [*test_reference(), *test_wrong(prefix)]
    for name, wrong in results:
        print(f"FAILED {name}: {wrong}" if wrong else f"ok {name}")
    failures = sum(1 for _, wrong in results if wrong)
    print(f"{len(results) - failures} ok, {failures} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
