# SPDX-License-Identifier: MIT
"""Manuals and programs say the same: what a program lists has its place in a manual, and what a
manual promises is in the program's usage text."""

import re
import shutil
import subprocess

import pytest
from hosts import REPO

BUILD = REPO / "build"
DOC = REPO / "doc"
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")



def usage(*words):
    """What a program says when it is asked for help."""
    result = subprocess.run([BUILD / words[0], *words[1:], "--help"], text=True,
                            capture_output=True, timeout=10)
    assert result.returncode == 0, (words, result.stderr)
    return result.stdout


def plain(name):
    """A manual without its markup."""
    text = (DOC / name).read_text()
    text = re.sub(r"\\f[BIR]", "", text).replace(r"\-", "-")
    lines = []
    for line in text.splitlines():
        macro = re.match(r"\.(B|I|BR|BI|RB|RI|IR|IB|SH|TP|PP|br|nf|fi|RS|RE|TH|IP)\b ?(.*)", line)
        if macro and macro[1] in ("BR", "BI", "RB", "RI", "IR", "IB"):
            # words alternate between two fonts, without blanks between them but in quotes
            line = "".join(a or b for a, b in re.findall(r'"([^"]*)"?|(\S+)', macro[2]))
        elif macro:
            line = (".SH " if macro[1] == "SH" else "") + macro[2].replace('"', "")
        lines.append(line)
    return "\n".join(lines)


def section(name, title):
    match = re.search(rf"^\.SH {title}\n(.*?)(?=^\.SH |\Z)", plain(name), re.M | re.S)
    assert match, f"{name} has no {title}"
    return match[1]


def adit_verbs():
    return re.findall(r"^  ([a-z]+) ", usage("adit"), re.M)


def hub_verbs():
    """Tuples: ("node", "show"), ("why",)."""
    lines = re.findall(r"^  ([a-z]+) +([a-z]*)  ", usage("adit-hub"), re.M)
    return [tuple(word for word in line if word) for line in lines if line[0] != "run"]


def test_the_programs_list_their_verbs():
    assert {"run", "show", "join", "ping"} <= set(adit_verbs())
    assert {("network", "add"), ("why",), ("audit", "export"), ("status",)} <= set(hub_verbs())


def test_every_verb_of_adit_is_in_its_manual():
    text = plain("adit.8")
    for verb in adit_verbs():
        assert re.search(rf"^{verb}\b|, {verb}\b", text, re.M), f"adit {verb}: not in adit.8"


def test_every_verb_of_adit_hub_is_in_its_manual():
    text = plain("adit-hub.8")
    for verb in hub_verbs():
        assert re.search(rf"(^|, ){' '.join(verb)}\b", text, re.M), \
            f"adit-hub {' '.join(verb)}: not in adit-hub.8"


def test_every_option_of_adit_hub_is_in_its_manual():
    text = plain("adit-hub.8")
    for verb in hub_verbs():
        for option in OPTION.findall(usage("adit-hub", *verb)):
            assert option in OPTION.findall(text), f"adit-hub {verb} {option}: not in adit-hub.8"


def test_every_option_in_the_manual_of_adit_hub_is_known():
    known = set(OPTION.findall("".join(usage("adit-hub", *verb) for verb in hub_verbs())))
    assert set(OPTION.findall(plain("adit-hub.8"))) <= known


@pytest.mark.parametrize("verb", ["join", "leave", "status", "wait", "ping"])
def test_verbs_about_networks_have_the_options_of_their_synopsis(verb):
    synopsis = re.search(rf"^adit {verb}\n(.*?)(?=^adit |\Z)", section("adit-join.8", "SYNOPSIS"),
                         re.M | re.S)
    assert synopsis, f"adit {verb}: not in adit-join.8"
    assert set(OPTION.findall(synopsis[1])) == set(OPTION.findall(usage("adit", verb)))
    assert f"adit-{verb}" in section("adit-join.8", "NAME")


@pytest.mark.parametrize("name, command", [("adit-agent.8", ("adit-agent",)),
                                           ("adit-hub-run.8", ("adit-hub", "run"))])
def test_daemons_have_the_options_of_their_manual(name, command):
    known = set(OPTION.findall(usage(*command)))
    assert known
    assert set(OPTION.findall(section(name, "OPTIONS"))) == known
    assert set(OPTION.findall(section(name, "SYNOPSIS"))) <= known


def settings():
    """The settings of a file in agent.d, as the program compares them."""
    source = (REPO / "src/overlay/agent/settings_file.c").read_text()
    return set(re.findall(r'strcmp\(key, "([a-z-]+)"\)', source))


def test_every_setting_of_the_agent_is_in_its_manual():
    assert settings()
    text = section("adit-agent.8", "SETTINGS")
    assert settings() == set(re.findall(r"\n\n([a-z-]+)\n", text))


@pytest.mark.parametrize("name", sorted(p.name for p in DOC.glob("*.[58]")))
def test_manuals_are_well_formed(name):
    if not shutil.which("man"):
        pytest.skip("no man")
    lint = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", DOC / name], text=True,
                          capture_output=True, timeout=20, env={"PATH": "/usr/bin:/bin"})
    assert lint.returncode == 0 and lint.stderr == ""
    assert name in (DOC / "meson.build").read_text(), "it is not installed"
    for other in re.findall(r"(adit[a-z-]*)(?: |\n)?\(([58])\)", plain(name)):
        page = ".".join(other)
        assert (DOC / page).exists(), f"{name} names {page}"
