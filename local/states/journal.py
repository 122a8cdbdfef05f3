"""What survives a crash: one SQLite file (WAL) that every finished step is written to before the next begins.

Tables: machines, the definitions executions were started with, executions (children of a Distributed Map are
executions too), flows (one row per running States block: where it stands, with which input and variables), history,
map runs, task tokens.
A commit survives the death of the process (synchronous=NORMAL), not a power cut of the machine.
"""

import hashlib
import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SCHEMA = """
create table if not exists machines(arn text primary key, name text, body text);
create table if not exists definitions(digest text primary key, body text);
create table if not exists executions(arn text primary key, machine text, name text, status text, body text,
  started real, map_run text, position integer);
create index if not exists by_machine on executions(machine, started);
create index if not exists by_map_run on executions(map_run, position);
create index if not exists by_status on executions(status);
create table if not exists flows(execution text, path text, body text, primary key(execution, path))
  without rowid;
create table if not exists history(execution text, id integer, previous integer, time real, type text, detail text,
  primary key(execution, id)) without rowid;
create table if not exists map_runs(arn text primary key, execution text, body text);
create index if not exists by_execution on map_runs(execution);
create table if not exists tokens(token text primary key, body text);
"""


def dumps(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


class Journal:
    """Rows of JSON; `with journal.transaction():` makes several writes one."""

    def __init__(self, path: Path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.execute("pragma journal_mode=wal")
        self._db.execute("pragma synchronous=normal")
        self._db.executescript(SCHEMA)
        self._lock = threading.RLock()
        self._depth = 0

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes inside become durable together, or none."""
        with self._lock:
            self._depth += 1
            if self._depth == 1:
                self._db.execute("begin immediate")
            try:
                yield
            except BaseException:
                self._depth -= 1
                if self._depth == 0:
                    self._db.execute("rollback")
                raise
            self._depth -= 1
            if self._depth == 0:
                self._db.execute("commit")

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def _run(self, sql: str, *values: Any) -> list[tuple]:
        with self._lock:
            return self._db.execute(sql, values).fetchall()

    def _one(self, sql: str, *values: Any) -> dict | None:
        rows = self._run(sql, *values)
        return json.loads(rows[0][0]) if rows else None

    # -- machines ------------------------------------------------------------------------------------------------
    def put_machine(self, machine: dict) -> None:
        self._run("insert or replace into machines values(?,?,?)", machine["stateMachineArn"], machine["name"],
                  dumps(machine))

    def machine(self, arn: str) -> dict | None:
        return self._one("select body from machines where arn=?", arn)

    def machines(self) -> list[dict]:
        return [json.loads(row[0]) for row in self._run("select body from machines order by name")]

    def delete_machine(self, arn: str) -> None:
        self._run("delete from machines where arn=?", arn)

    def put_definition(self, body: str) -> str:
        """Keep a definition and return its digest: an execution stays with the one it was started with."""
        digest = hashlib.sha256(body.encode()).hexdigest()
        self._run("insert or ignore into definitions values(?,?)", digest, body)
        return digest

    def definition(self, digest: str) -> str:
        return self._run("select body from definitions where digest=?", digest)[0][0]

    # -- executions ----------------------------------------------------------------------------------------------
    def put_execution(self, execution: dict) -> None:
        """`execution` has arn, machine, name, status, started and, for a child, map_run and position."""
        e = execution
        self._run("insert or replace into executions values(?,?,?,?,?,?,?,?)", e["arn"], e["machine"], e["name"],
                  e["status"], dumps(e), e["started"], e.get("map_run"), e.get("position"))

    def execution(self, arn: str) -> dict | None:
        return self._one("select body from executions where arn=?", arn)

    def executions(self, machine: str, status: str | None = None) -> list[dict]:
        """The executions of a machine that are not children, newest first."""
        rows = self._run("select body from executions where machine=? and map_run is null and (? is null or "
                         "status=?) order by started desc, rowid desc", machine, status, status)
        return [json.loads(row[0]) for row in rows]

    def running(self) -> list[dict]:
        rows = self._run("select body from executions where status='RUNNING' and map_run is null order by started")
        return [json.loads(row[0]) for row in rows]

    def children(self, map_run: str) -> list[dict]:
        """The child executions of a Map Run in item order."""
        rows = self._run("select body from executions where map_run=? order by position", map_run)
        return [json.loads(row[0]) for row in rows]

    def child_status(self, map_run: str) -> dict[int, str]:
        return dict(self._run("select position, status from executions where map_run=?", map_run))

    def child(self, map_run: str, position: int) -> dict:
        return self._one("select body from executions where map_run=? and position=?", map_run, position) or {}

    # -- flows ---------------------------------------------------------------------------------------------------
    def put_flow(self, execution: str, path: str, body: dict) -> None:
        self._run("insert or replace into flows values(?,?,?)", execution, path, dumps(body))

    def flow(self, execution: str, path: str) -> dict | None:
        return self._one("select body from flows where execution=? and path=?", execution, path)

    def flows(self, execution: str) -> list[tuple[str, dict]]:
        rows = self._run("select path, body from flows where execution=?", execution)
        return [(path, json.loads(body)) for path, body in rows]

    def drop_flows(self, execution: str, below: str = "") -> None:
        """Forget the flows whose path begins with `below`."""
        self._run("delete from flows where execution=? and substr(path, 1, ?)=?", execution, len(below), below)

    # -- history -------------------------------------------------------------------------------------------------
    def last_event(self, execution: str) -> int:
        return self._run("select coalesce(max(id), 0) from history where execution=?", execution)[0][0]

    def put_event(self, execution: str, number: int, previous: int, time: float, kind: str, detail: dict) -> None:
        self._run("insert into history values(?,?,?,?,?,?)", execution, number, previous, time, kind, dumps(detail))

    def events(self, execution: str, start: int, limit: int, reverse: bool) -> list[tuple]:
        """(id, previous, time, type, detail) of up to `limit` events after skipping `start`."""
        order = "desc" if reverse else "asc"
        rows = self._run("select id, previous, time, type, detail from history where execution=? "
                         f"order by id {order} limit ? offset ?", execution, limit, start)
        return [(*row[:4], json.loads(row[4])) for row in rows]

    # -- map runs and tokens -------------------------------------------------------------------------------------
    def put_map_run(self, run: dict) -> None:
        self._run("insert or replace into map_runs values(?,?,?)", run["arn"], run["execution"], dumps(run))

    def map_run(self, arn: str) -> dict | None:
        return self._one("select body from map_runs where arn=?", arn)

    def map_runs(self, execution: str) -> list[dict]:
        rows = self._run("select body from map_runs where execution=? order by rowid desc", execution)
        return [json.loads(row[0]) for row in rows]

    def put_token(self, token: str, body: dict) -> None:
        self._run("insert or replace into tokens values(?,?)", token, dumps(body))

    def token(self, token: str) -> dict | None:
        return self._one("select body from tokens where token=?", token)
