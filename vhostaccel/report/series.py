# SPDX-License-Identifier: Apache-2.0
"""What the page draws as one curve: one mode of one run, with its label."""

from collections.abc import Sequence
from dataclasses import dataclass

from vhostaccel.report.rows import Row, rows_of
from vhostaccel.report.run import ModeResult, Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One mode of one run."""

    number: int
    """Place among the page's series, from 0; decides colour and marker."""
    label: str
    run: Run
    result: ModeResult
    rows: tuple[Row, ...]

    @property
    def sound_rows(self) -> tuple[Row, ...]:
        """Rows with at least one trial that is not void."""
        return tuple(row for row in self.rows if row.void < row.trials)


def series_of(runs: Sequence[Run]) -> tuple[Series, ...]:
    """Return the series of some runs; runs are numbered when there are several."""
    pairs = [(n, run, result) for n, run in enumerate(runs, 1) for result in run.modes]
    return tuple(
        Series(
            number=number,
            label=result.mode if len(runs) == 1 else f"{n}: {result.mode}",
            run=run,
            result=result,
            rows=rows_of(result.points),
        )
        for number, (n, run, result) in enumerate(pairs)
    )
