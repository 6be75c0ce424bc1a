# SPDX-License-Identifier: Apache-2.0
"""Set-up takes mirror and key from the host's own apt sources, in both formats."""

import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "setup" / "host-suite.awk"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def host_suite(tmp_path: Path, **files: str) -> str:
    paths = []
    for name, text in files.items():
        path = tmp_path / name.replace("_", ".")
        path.write_text(text)
        paths.append(path)
    return subprocess.run(
        ["awk", "-v", "codename=bookworm", "-f", SCRIPT, *paths, "/dev/null"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param(
            "deb http://mirror.example/debian bookworm main contrib\n",
            "URIs: http://mirror.example/debian\n",
            id="plain",
        ),
        pytest.param(
            f"deb [arch=amd64 signed-by={KEYRING}] https://m.example/d bookworm main\n",
            f"URIs: https://m.example/d\nSigned-By: {KEYRING}\n",
            id="with a key",
        ),
        pytest.param(
            "deb cdrom:[Debian 12]/ bookworm main\n"
            "# deb http://old.example/debian bookworm main\n"
            "deb-src http://src.example/debian bookworm main\n"
            "deb http://m.example/debian bookworm-updates main\n"
            "deb http://m.example/debian bookworm main # ours\n",
            "URIs: http://m.example/debian\n",
            id="among others",
        ),
        pytest.param("deb http://m.example/debian trixie main\n", "", id="none"),
    ],
)
def test_one_line_sources_are_read(tmp_path, line, expected):
    assert host_suite(tmp_path, sources_list=line) == expected


def test_deb822_sources_are_read(tmp_path):
    text = f"""\
Types: deb
# a comment inside a stanza
URIs: http://deb.example/debian-security
Suites: bookworm-security
Signed-By: /other.gpg

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: bookworm

types: deb deb-src
uris: mirror+file:/etc/apt/mirrors/debian.list
SUITES: bookworm bookworm-updates
Components: main
Signed-By: {KEYRING}
"""
    assert host_suite(tmp_path, debian_sources=text) == (
        f"URIs: mirror+file:/etc/apt/mirrors/debian.list\nSigned-By: {KEYRING}\n"
    )


def test_a_key_inside_the_stanza_is_kept_line_by_line(tmp_path):
    key = "Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQINBF\n"
    text = f"Types: deb\nURIs: http://m.example/d\nSuites: bookworm\n{key}"
    assert host_suite(tmp_path, debian_sources=text) == (
        f"URIs: http://m.example/d\n{key}"
    )


def test_the_first_file_that_has_the_suite_is_taken(tmp_path):
    assert (
        host_suite(
            tmp_path,
            a_sources="Types: deb\nURIs: http://a.example/\nSuites: sid\n",
            b_list="deb http://b.example/ bookworm main\n",
            c_sources="Types: deb\nURIs: http://c.example/\nSuites: bookworm\n",
        )
        == "URIs: http://b.example/\n"
    )
