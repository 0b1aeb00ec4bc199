"""A store on two shards: who lies where, what travels, and what it says when a shard is away."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner

from askfirst.cli.main import root
from askfirst.contract.sampling import takes_part
from askfirst.stores.base import Loaded, Position, StoreAwayError, StoreError
from askfirst.stores.clickhouse import sql
from askfirst.stores.opening import open_store
from tests.stores.making import DAY, TOOL, contract, events, hashed
from tests.stores.server import paired

pytestmark = pytest.mark.slow  # two servers have to start

PEOPLE = 20_000
RECEIVED = (
    "SELECT sum(value) FROM system.events "
    "WHERE event IN ('NetworkReceiveBytes', 'ReadCompressedBytesFromNetwork')"
)
QUESTIONS = (
    "active_days", "activity", "applications", "commands", "environments_per_application",
    "environments_per_installation", "retention", "side_by_side", "versions",
)  # fmt: skip


@pytest.fixture
def url(cluster):
    where = cluster.new()
    yield where
    cluster.drop(where)


@pytest.fixture
def store(url):
    opened = open_store(url)
    yield opened
    opened.close()


def held(cluster, url, what="count()"):
    """Ask each host about its own events."""
    database = urlsplit(url).path[1:]
    return [server.ask(f"SELECT {what} FROM {database}.local_events") for server in cluster.servers]


def people(many):
    return [
        {"who": who, "id": who, "day": who % 20, "application.name": f"{who:064}"}
        for who in range(many)
    ]


def test_an_installation_is_on_one_shard_whichever_host_is_given_it(cluster, url, store):
    other = open_store(cluster.servers[1].store(urlsplit(url).path[1:]))
    store.load([events(*people(500))], {})
    other.load([events(*({**row, "day": 30, "id": -1 - row["id"]} for row in people(500)))], {})
    other.close()

    assert min(int(n) for n in held(cluster, url)) > 400
    counts = held(cluster, url, "uniqExact(installation)")
    assert sum(map(int, counts)) == 500
    few = [who for who in range(500) if takes_part(1 / 16, hashed(who).hex())]
    assert {hashed(who)[31] % 2 for who in few} == {0, 1}  # a sample is no shard


def test_the_work_is_done_on_the_shards_and_little_travels(cluster, url, store):
    store.declare(contract())
    store.load([events(*people(PEOPLE))], {})
    asked = {"tool": TOOL, "as_of": DAY + 27, "first": DAY}
    server = cluster.servers[0]

    def travelled(work):
        before = int(server.ask(RECEIVED))
        work()
        return int(server.ask(RECEIVED)) - before

    database = urlsplit(url).path[1:]
    everyone = travelled(lambda: server.ask(f"SELECT hex(installation) FROM {database}.events"))
    assert everyone > PEOPLE / 2 * 0.9 * 32  # so this is how one can see it
    for name in QUESTIONS:
        few = travelled(lambda n=name: store.query(n, asked))
        assert 0 < few < everyone / 10, (name, few)


def test_init_can_be_run_again_and_leaves_other_stores_alone(cluster, url, store):
    store.load([events(*people(10))], {})
    hosts = [word for host in cluster.hosts for word in ("--host", host)]

    def run(store, *words):
        return CliRunner().invoke(root, ["store", "init", "--store", store, *words])

    again = run(url, "--cluster", "pair", *hosts, "--no-replicas")
    assert (again.exit_code, again.stderr) == (0, "made a store on 2 hosts, 2 shards\n")
    assert store.count(TOOL) == 10

    unknown = run(url, "--cluster", "nothing")
    assert (unknown.exit_code, "no cluster of that name" in unknown.stderr) == (1, True)
    one = run(url, "--cluster", "pair", *hosts[:2])
    assert (one.exit_code, "the cluster has 2 hosts" in one.stderr) == (1, True)
    assert run(url, "--cluster", "pair", "--host", "nonsense").exit_code == 2

    alone = cluster.servers[0].new()
    try:
        open_store(alone).close()
        other = run(alone, "--cluster", "pair", *hosts, "--no-replicas")
        assert (other.exit_code, "another store" in other.stderr) == (1, True)
    finally:
        cluster.servers[0].drop(alone)


def test_replicated_tables_are_not_made_without_keeper_and_can_be_made_later(cluster):
    """The engine here has none, and says so; nothing is half there for the next try."""
    url = cluster.servers[0].new()
    hosts = [word for host in cluster.hosts for word in ("--host", host)]
    words = ["store", "init", "--store", url, "--cluster", "pair", *hosts]
    try:
        refused = CliRunner().invoke(root, words)
        assert refused.exit_code == 1
        assert "code" in refused.stderr
        assert CliRunner().invoke(root, [*words, "--no-replicas"]).exit_code == 0
    finally:
        cluster.drop(url)


def test_replicated_tables_have_their_engine_and_all_they_are_given():
    texts = [
        text
        for _, name, plain in sql.migrations()
        for text in sql.on_cluster(name, plain, replicas=True)
    ]
    path = "'/clickhouse/tables/{database}/{shard}/{table}', '{replica}'"
    joined = "\n".join(texts)
    assert joined.count("CREATE TABLE IF NOT EXISTS local_") == 4
    assert joined.count(f"ENGINE = ReplicatedReplacingMergeTree({path}, moment)") == 2
    assert joined.count(f"ENGINE = ReplicatedReplacingMergeTree({path})\n") == 1
    assert joined.count(f"ENGINE = ReplicatedAggregatingMergeTree({path})\n") == 1
    assert joined.count("ENGINE = Distributed(") == 4


def test_while_a_shard_is_away_nothing_is_answered_in_part(tmp_path):
    with paired(tmp_path) as cluster:
        url = cluster.new()
        store = open_store(url)
        store.load([events(*people(100))], {}, Position("0", 1, 1))
        cluster.servers[1].kill()

        with pytest.raises(StoreAwayError):
            store.query("activity", {"tool": TOOL, "as_of": DAY})
        with pytest.raises(StoreAwayError):
            store.count(TOOL)
        with pytest.raises(StoreError):
            store.load([events(*people(200))], {}, Position("0", 1, 2))

        cluster.servers[1].start()
        assert store.position("0") == Position("0", 1, 1)
        assert store.load([events(*people(200))], {}, Position("0", 1, 2)) == Loaded(100, 100)
        assert store.count(TOOL) == 200
        store.close()


def test_a_store_refuses_a_cluster_that_has_got_another_number_of_shards(tmp_path):
    with paired(tmp_path) as cluster:
        url = cluster.new()
        open_store(url).close()
        first = cluster.servers[0]
        first.kill()
        end = first.config.index("</shard>") + len("</shard>")
        first.config = f"{first.config[:end]}</pair></remote_servers>"
        first.start()

        with pytest.raises(StoreError, match="made on 2 shards"):
            open_store(url)
