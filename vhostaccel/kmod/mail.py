# SPDX-License-Identifier: Apache-2.0
"""Writes the series as `git am` takes it, through a git repository made for it."""

import os
import re
import shutil
import textwrap
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from vhostaccel import __version__, command
from vhostaccel.errors import VhostAccelError
from vhostaccel.kmod.answers import Answer, read_answers
from vhostaccel.kmod.layout import KMOD, KernelPart
from vhostaccel.kmod.patch import apply_patch
from vhostaccel.kmod.series import Series, read_series
from vhostaccel.kmod.tree import copy_pristine, place
from vhostaccel.lab.provision import PROJECT
from vhostaccel.lab.storage import storage_error

_PATCH_FILE = re.compile(r"\d{4}-.*\.patch")
_HINT = "git is needed: sudo apt-get install --no-install-recommends git"
_LETTER_COLUMNS = 72


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """Who signs the patches off."""

    name: str
    email: str


def find_author() -> Author:
    """Return whom this clone commits as, or else who committed last."""
    found = [
        _project_git("config", f"user.{part}")
        or _project_git("log", "-1", f"--format={form}")
        for part, form in (("name", "%an"), ("email", "%ae"))
    ]
    return Author(
        name=found[0] or "vhostaccel developers",
        email=found[1] or "vhostaccel@example.org",
    )


class Repository:
    """A git repository of our own: no setting of the user reaches into it.

    Args:
        folder: its work tree.
        author: of its commits.
    """

    def __init__(self, folder: Path, author: Author) -> None:
        self.folder = folder
        self._author = author

    def git(self, *arguments: str) -> str:
        """Run git and return what it printed.

        Raises:
            ProvideError: If it failed.
        """
        argv = ["git", "-c", "core.fsync=none", "-c", "gc.auto=0", *arguments]
        done = command.run(argv, cwd=self.folder, env=self._environment(), hint=_HINT)
        return done.output

    def start(self, source: Path, paths: tuple[str, ...] | None = None) -> None:
        """Fill it with pristine source, as one commit tagged `pristine`.

        Args:
            source: where it is.
            paths: the files that are needed; all of it if None.

        Raises:
            SetupError: If the source lacks one.
        """
        if paths is None:
            shutil.copytree(source, self.folder, symlinks=True, dirs_exist_ok=True)
            (self.folder / "parts").unlink(missing_ok=True)
        else:
            copy_pristine(paths, source, self.folder)
        self.git("init", "--quiet", "--initial-branch=series")
        self.commit("Pristine source\n", signed=False)
        self.git("tag", "pristine")

    def commit(self, message: str, *, signed: bool = True) -> None:
        """Commit whatever was changed."""
        self.git("add", "--all", "--force")
        options = ["--signoff"] if signed else []
        self.git("commit", "--quiet", *options, "-m", message)

    def _environment(self) -> dict[str, str]:
        who = self._author
        return {
            **{name: value for name, value in os.environ.items() if name[:4] != "GIT_"},
            "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": who.name, "GIT_AUTHOR_EMAIL": who.email,
            "GIT_COMMITTER_NAME": who.name, "GIT_COMMITTER_EMAIL": who.email,
        }  # fmt: skip


def publish(
    part: KernelPart, source: Path, output: Path, kmod: Path = KMOD
) -> tuple[Path, ...]:
    """Write the series of kmod/ into a folder, on top of pristine source.

    Args:
        part: our files and hunks.
        source: the pristine source.
        output: the folder.
        kmod: where order, words and answers are.

    Returns:
        The letter and the patches, in order.

    Raises:
        SetupError: If a file or a patch is not in exactly one patch of the series.
        StorageError: If the folder cannot be written.
        ProvideError: If a patch does not apply.
    """
    series = read_series(part, kmod)
    with TemporaryDirectory(prefix="vhostaccel-series-") as folder:
        repository = Repository(Path(folder), find_author())
        # Thousands of files that no patch touches would only be copied and hashed.
        repository.start(source, part.changed)
        return write_series(series, read_answers(kmod), repository, output)


def write_series(
    series: Series,
    answers: tuple[Answer, ...],
    repository: Repository,
    output: Path,
) -> tuple[Path, ...]:
    """Commit the series onto a started repository and write it as files.

    Args:
        series: what to write.
        answers: what the letter says of the checkers' findings.
        repository: holds the pristine source.
        output: the folder; patches of an earlier series in it are removed.

    Returns:
        The letter and the patches, in order.

    Raises:
        StorageError: If the folder cannot be written.
        ProvideError: If a patch does not apply.
    """
    for change in series.changes:
        place(change.own, repository.folder)
        if change.hunks:
            apply_patch(change.hunks, repository.folder)
        repository.commit(f"{change.title}\n\n{change.body}\n")
    letter = f"{series.cover_title}\n\n{cover_body(series, answers)}\n"
    repository.git("config", "branch.series.description", letter)
    _clear(output)
    listed = repository.git(
        "format-patch", "--cover-letter", "--cover-from-description=subject",
        f"--subject-prefix={series.prefix}", "--zero-commit",
        f"--signature=vhostaccel {__version__}", "-o", os.fspath(output.resolve()),
        "pristine..series",
    )  # fmt: skip
    return tuple(Path(line) for line in listed.splitlines())


def cover_body(series: Series, answers: tuple[Answer, ...]) -> str:
    """Return the letter's text, with the answers to the checkers' findings."""
    if not answers:
        return series.cover_body
    told = [
        textwrap.fill(
            f"- {answer.kind} ({answer.place}): {' '.join(answer.answer.split())}",
            _LETTER_COLUMNS,
            subsequent_indent="  ",
        )
        for answer in answers
    ]
    heading = "What checkpatch.pl --strict still says, and why it stays:"
    return "\n".join([series.cover_body, "", heading, *told])


def _clear(output: Path) -> None:
    try:
        output.mkdir(parents=True, exist_ok=True)
        for path in output.iterdir():
            if _PATCH_FILE.fullmatch(path.name):
                path.unlink()
    except OSError as error:
        raise storage_error(output, error) from error


def _project_git(*arguments: str) -> str:
    try:
        done = command.run(
            ["git", "-C", os.fspath(PROJECT), *arguments], hint=_HINT, check=False
        )
    except VhostAccelError:
        return ""
    return done.output.strip() if done.status == 0 else ""
