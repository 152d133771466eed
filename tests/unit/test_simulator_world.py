"""The served world survives its own death: the same simulated minute, orders, positions and strategist; time never goes back."""

from datetime import date, time, timedelta
from decimal import Decimal

import pytest

from hedging.domain.instruments import Index, Product, Right, Side
from hedging.simulator.clock import ManualClock, ScaledClock
from hedging.simulator.day import CarriedPosition, day_from_json, day_to_json
from hedging.simulator.profiles import profile_named
from hedging.simulator.store import Store, StoreUnusable
from hedging.simulator.world import World, open_world
from hedging.simulator.wsgi import RateLimiter
from tests.unit.simulator_days import SPECS, STORY_SEED, TUESDAY, contract, entries, exchange, tuesday

SPEED = 60.0


class Wall:
    """A wall clock that a test moves."""

    def __init__(self):
        self.seconds = 1000.0

    def __call__(self):
        return self.seconds


@pytest.fixture
def wall():
    return Wall()


@pytest.fixture
def opened(tmp_path, wall):
    """Open the world of the file; what was opened before is abandoned as if it had been killed."""
    worlds: list[World] = []

    def open_it(choose_day=lambda _: tuesday(entries=entries()), speed=SPEED):
        for world in worlds:
            world._store.close()
        world = open_world(
            store=Store(tmp_path / "a place" / "simulator.sqlite3"),
            seed=STORY_SEED,
            cash=Decimal(1_000_000),
            speed=speed,
            api_keys=["key"],
            choose_day=choose_day,
            monotonic=wall,
        )
        worlds.append(world)
        return world

    yield open_it
    for world in worlds:
        world._store.close()


def run(world, wall, seconds):
    """Let wall time pass as the world's thread would."""
    for _ in range(round(seconds / 0.2)):
        wall.seconds += 0.2
        world._extend()
        world.exchange.advance_to(world.clock.now())


def call(world, endpoint, **body):
    status, answer = world.app._endpoints[endpoint](body)
    assert status == 200, answer
    return answer


def buy(world, steps=5):
    what = contract(world.exchange, steps, Right.CE)
    _, _, ask = world.exchange.market.ticks(what, world.exchange.t)
    return call(
        world,
        "placeorder",
        symbol=f"NIFTY01DEC26{int(what.strike)}CE",
        exchange="NFO",
        action="BUY",
        quantity=65,
        pricetype="LIMIT",
        product="NRML",
        price=round((ask + 20) * 0.05, 2),
        trigger_price=0.0,
        strategy="auto-hedge",
    )["orderid"]


def books(world):
    return call(world, "orderbook"), call(world, "tradebook"), call(world, "positionbook"), call(world, "funds")


def test_a_day_begins_a_minute_before_the_open(opened):
    world = opened()
    assert world.app.control.clock_state() == {
        "now": "2026-12-01T03:44:00+00:00",
        "date": "2026-12-01",
        "family": "calm",
        "speed": SPEED,
        "market_open": False,
        "day_over": False,
    }


def test_after_a_kill_the_world_goes_on_with_the_same_orders_trades_and_positions(opened, wall):
    world = opened()
    run(world, wall, 30)
    order = buy(world)
    run(world, wall, 4)
    resting = buy(world, steps=3)
    call(world, "cancelorder", orderid=resting)
    run(world, wall, 4)
    at = world.exchange.now

    again = opened()
    assert timedelta(0) <= again.clock.now() - at <= timedelta(seconds=0.6 * SPEED)
    world.exchange.advance_to(again.clock.now())
    assert books(again) == books(world)
    assert order in again.exchange.orders
    run(again, wall, 60)
    world.exchange.advance_to(again.exchange.now)
    assert again.exchange.report() == world.exchange.report()


def test_an_order_is_stored_before_it_is_answered(opened, wall):
    world = opened()
    run(world, wall, 30)
    order = buy(world)
    assert order in opened().exchange.orders


def test_time_never_goes_back_over_a_kill(opened, wall):
    world = opened()
    run(world, wall, 30)
    shown = []
    for _ in range(20):
        wall.seconds += 0.05
        shown.append(world.clock.now())
    assert opened().clock.now() >= max(shown)


def test_a_clean_stop_keeps_the_exact_time(opened, wall):
    world = opened()
    run(world, wall, 30)
    wall.seconds += 0.1
    now = world.clock.now()
    world.stop()
    assert opened().clock.now() == now


def test_a_finished_day_is_followed_by_the_next_with_what_has_not_expired(opened, wall):
    wednesday = date(2026, 12, 2)
    thursday = date(2026, 12, 3)
    spread = tuesday(date=wednesday, expiries={Index.SENSEX: (thursday,)}, specs={Index.SENSEX: SPECS[Index.SENSEX]})
    world = opened(lambda _: spread)
    run(world, wall, 10)
    what = contract(world.exchange, 10, Right.CE, Index.SENSEX)
    call(
        world,
        "placeorder",
        symbol=f"SENSEX03DEC26{int(what.strike)}CE",
        exchange="BFO",
        action="BUY",
        quantity=20,
        pricetype="MARKET",
        product="NRML",
        price=0.0,
        trigger_price=0.0,
        strategy="",
    )
    run(world, wall, 405 * 60 / SPEED + 2)
    assert world.app.control.clock_state()["day_over"]
    close = world.exchange.market.spot(Index.SENSEX, world.exchange.market.grid_seconds - 1)

    def next_day(leftover):
        assert leftover.date == wednesday
        return tuesday(
            date=thursday,
            specs=spread.specs,
            expiries=spread.expiries,
            previous_close=leftover.closes,
            carried=leftover.carried,
        )

    following = opened(next_day)
    assert following.exchange.day.date == thursday
    assert following.clock.now() == following.exchange.day.start_at
    assert following.exchange.account.quantity(what, Product.NRML) == 20
    assert following.exchange.market.paths[Index.SENSEX].previous_close == pytest.approx(close)
    assert following.exchange.funds().utilised == 0


def test_a_file_of_another_version_is_refused_with_the_way_out(opened, wall):
    world = opened()
    world._store._db.execute("UPDATE world SET value = '0' WHERE name = 'format'")
    with pytest.raises(StoreUnusable, match="move it away"):
        opened()


def test_commands_that_do_not_play_again_are_refused(opened, wall):
    world = opened()
    run(world, wall, 30)
    buy(world)
    world._store._db.execute("UPDATE commands SET order_id = 'other'")
    with pytest.raises(StoreUnusable, match="another version"):
        opened()


def test_a_file_that_is_no_database_is_refused_with_its_name(tmp_path):
    path = tmp_path / "simulator.sqlite3"
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(StoreUnusable, match=r"simulator\.sqlite3"):
        Store(path)


def test_two_simulators_never_share_a_file(tmp_path):
    first = Store(tmp_path / "simulator.sqlite3")
    with pytest.raises(StoreUnusable, match="Another simulator uses"):
        Store(tmp_path / "simulator.sqlite3")
    first.close()
    Store(tmp_path / "simulator.sqlite3").close()


def test_a_day_survives_being_written_down():
    day = tuesday(
        entries=entries(),
        holidays=((date(2026, 12, 25), "Christmas"),),
        previous_close={Index.NIFTY: Decimal("24000.05")},
        carried=(CarriedPosition("NIFTY08DEC2624000CE", Product.NRML, -65, Decimal("101.5")),),
    )
    assert day_from_json(day_to_json(day)) == day


def test_the_scaled_clock_stops_at_the_end_of_the_day_and_where_it_is_not_allowed_further():
    wall = Wall()
    day = tuesday()
    clock = ScaledClock(anchor=day.start_at, end=day.end_at, speed=60, monotonic=wall)
    wall.seconds += 10
    assert clock.now() == day.start_at
    clock.allow_until(day.start_at + timedelta(seconds=300))
    assert clock.now() == day.start_at + timedelta(seconds=300)
    clock.allow_until(day.end_at)
    assert clock.now() == day.start_at + timedelta(seconds=600)
    wall.seconds += 100_000
    assert clock.now() == day.end_at


def test_the_manual_clock_never_goes_back():
    clock = ManualClock(start=tuesday().start_at)
    clock.set(tuesday().end_at)
    clock.set(tuesday().start_at)
    assert clock.now() == tuesday().end_at


@pytest.mark.parametrize(("endpoint", "limit"), [("funds", 50), ("placeorder", 10)])
def test_calls_beyond_the_limit_of_a_second_are_refused_for_that_endpoint_and_client_alone(endpoint, limit):
    wall = Wall()
    limiter = RateLimiter(monotonic=wall)
    assert [limiter.refuses(endpoint, "a") for _ in range(limit + 1)] == [None] * limit + [limit]
    assert limiter.refuses(endpoint, "b") is None
    assert limiter.refuses("ping", "a") is None
    wall.seconds += 0.99
    assert limiter.refuses(endpoint, "a") == limit
    wall.seconds += 0.02
    assert limiter.refuses(endpoint, "a") is None


def test_trading_days_until_an_expiry_leave_out_weekends_and_holidays():
    day = tuesday(holidays=((date(2026, 12, 3), "a holiday"),))
    counts = [day.trading_days_until(d) for d in (TUESDAY, date(2026, 12, 2), date(2026, 12, 4), date(2026, 12, 8))]
    assert counts == [0, 1, 2, 4]


def test_a_carried_short_needs_its_margin_from_the_start():
    carried = (CarriedPosition("NIFTY08DEC2624500CE", Product.NRML, -65, Decimal(100)),)
    market = exchange(day=tuesday(carried=carried), at="09:15:05")
    assert market.funds().utilised > 100_000
    assert market.account.premium_paid == 0
    assert Side.SELL.sign * 65 == next(iter(market.account.positions.values())).quantity


def test_market_hours_of_the_day_are_in_utc(opened):
    world = opened()
    assert world.exchange.market.opens_at.isoformat() == "2026-12-01T03:45:00+00:00"
    assert world.exchange.day.moment(time(16, 0)) == world.exchange.day.end_at


def test_a_stored_day_keeps_its_broker(tmp_path, wall):
    said: list[str] = []

    def open_as(name):
        return open_world(
            store=Store(tmp_path / "simulator.sqlite3"),
            seed=STORY_SEED,
            cash=Decimal(1_000_000),
            speed=SPEED,
            api_keys=["key"],
            choose_day=lambda _: tuesday(),
            profile=profile_named(name) if name else None,
            say=said.append,
            monotonic=wall,
        )

    first = open_as("kotak")
    run(first, wall, 30)
    body = {"orderid": buy(first)}
    first.stop()
    for name in (None, "dhan"):
        again = open_as(name)
        assert again.app.profile.name == "kotak"
        assert body["orderid"] in again.exchange.orders
        again.stop()
    assert any("broker is kotak" in line for line in said)
