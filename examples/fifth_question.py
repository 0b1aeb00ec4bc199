"""Answers a fifth question: after how many days does an installation use a second command.

    askfirst store export events.parquet
    python examples/fifth_question.py events.parquet

It reads what `askfirst store export` writes, with libraries that come with `askfirst[collector]`:
DuckDB to find each installation's first and second command, and askfirst's own Kaplan–Meier
estimate for how long it took, since some have not used a second one yet and may still. Take it as a
beginning for questions of your own; a `--for-others` export does as well, in whole days.

It counts installations that said Yes. Where the contract has a `sample`, it counts those in it; how
long it takes is the same for all. Who used the tool before the first event that is kept seems to
begin there.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import duckdb
import numpy as np

from askfirst.questions.kaplan_meier import estimate

DAY_MS = 86_400_000

# For each installation: ms until it first ran another command than its first, or until its last
# event; and which command that was, null if there was none.
SECOND = """
WITH firsts AS (
    SELECT
        installationId,
        min(timestamp) AS begin,
        max(timestamp) AS last,
        arg_min(command, timestamp) AS command
    FROM events
    GROUP BY installationId
),
seconds AS (
    SELECT
        events.installationId,
        min(timestamp) AS moment,
        arg_min(events.command, timestamp) AS command
    FROM events JOIN firsts USING (installationId)
    WHERE events.command <> firsts.command
    GROUP BY events.installationId
)
SELECT coalesce(moment, last) - begin AS waited, seconds.command
FROM firsts LEFT JOIN seconds USING (installationId)
"""


def answer(file: Path) -> str:
    """Return the answer, as text, from an export's Parquet file. Raises duckdb.Error."""
    with duckdb.connect() as connection:
        events = connection.read_parquet(str(file))  # found by its name in the query
        rows = events.query("events", SECOND).fetchall()
    if not rows:
        return "There is no event in it."
    waited = np.array([row[0] for row in rows]) / DAY_MS
    second = [row[1] for row in rows]
    used = np.array([command is not None for command in second])
    curve = estimate(waited, used)
    half, (low, high) = curve.quantile(0.5), curve.interval(0.5)
    said = [f"Of {len(rows):,} installations {used.sum():,} have used a second command."]
    if half is None:
        said.append("Half of them have not come that far yet.")
    else:
        said.append(f"Half had after {half:.1f} days ({between(low, high)}).")
    for command, count in Counter(filter(None, second)).most_common(5):
        said.append(f"  {command}: {count / used.sum():.0%} of these went on with it")
    return "\n".join(said)


def between(low: float | None, high: float | None) -> str:
    """Return the 95 % interval of a median, as far as the curve's band gets."""
    begin = f"95 % interval from {low or 0:.1f}"
    return f"{begin} on" if high is None else f"{begin} to {high:.1f}"


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: python fifth_question.py events.parquet")
    try:
        sys.stdout.write(answer(Path(sys.argv[1])) + "\n")
    except duckdb.Error as error:
        sys.exit(str(error).partition("\n")[0])


if __name__ == "__main__":
    main()
