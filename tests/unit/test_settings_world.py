"""One key decides the world: the simulator's, with its own database and its own orders, or a real account's."""

import os
import runpy
from decimal import Decimal
from pathlib import Path

import pytest

from config.env import SettingError
from config.local.places import places_of
from config.servers import redis_addresses

SETTINGS = Path(__file__).parents[2] / "config" / "settings.py"


@pytest.fixture
def settings_with(monkeypatch, tmp_path):
    """Load the settings anew under an environment, and return them."""

    def load(**environment):
        for name in os.environ.keys() & {"DATABASE_URL", "REDIS_URL"}:
            monkeypatch.delenv(name)
        for name, value in {"VAR_DIR": str(tmp_path / "var"), "AUTO_HEDGE_ENV_FILE": "", **environment}.items():
            monkeypatch.setenv(name, value)
        return runpy.run_path(str(SETTINGS))

    return load


def test_without_a_key_everything_is_simulated_and_automatic(settings_with):
    settings = settings_with()
    assert settings["WORLD"] == "simulator"
    assert settings["OPENALGO_BASE_URL"] == "http://127.0.0.1:5011"
    assert (settings["AUTO_HEDGE_ENABLED"], settings["AUTO_HEDGE_DRY_RUN"]) == (True, False)
    assert settings["DATABASES"]["default"]["NAME"] == "auto_hedge_sim"
    assert settings["SPEED"] == 60


def test_with_a_key_the_account_is_real_at_the_real_clock_with_both_lids_closed(settings_with):
    settings = settings_with(OPENALGO_API_KEY="0123456789abcdef")
    assert settings["WORLD"] == "real"
    assert settings["OPENALGO_BASE_URL"] == "http://localhost:5000"
    assert (settings["AUTO_HEDGE_ENABLED"], settings["AUTO_HEDGE_DRY_RUN"]) == (False, True)
    assert settings["DATABASES"]["default"]["NAME"] == "auto_hedge"
    assert settings["SPEED"] == 1


def test_an_address_without_a_key_stays_in_the_simulator(settings_with):
    settings = settings_with(OPENALGO_BASE_URL="http://openalgo.example:5000", OPENALGO_API_KEY="your_api_key_here")
    assert settings["OPENALGO_BASE_URL"] == "http://127.0.0.1:5011"
    assert [notice.partition(":")[0] for notice in settings["NOTICES"]] == [
        "OPENALGO_API_KEY is a placeholder, not a key"
    ]


def test_the_simulator_never_writes_into_the_database_of_a_real_account(settings_with):
    url = "postgresql://me@db.example/hedges"
    assert settings_with(DATABASE_URL=url)["DATABASES"]["default"]["NAME"] == "auto_hedge_sim"
    assert (
        settings_with(DATABASE_URL=url, OPENALGO_API_KEY="0123456789abcdef")["DATABASES"]["default"]["NAME"] == "hedges"
    )


def test_a_real_account_never_writes_into_the_simulators_database(settings_with):
    with pytest.raises(SettingError, match=r"^DATABASE_URL names auto_hedge_sim"):
        settings_with(DATABASE_URL="postgresql://me@db.example/auto_hedge_sim", OPENALGO_API_KEY="0123456789abcdef")


@pytest.mark.parametrize(
    ("given", "real", "simulated"),
    [
        ("redis://h:6379", "redis://h:6379/0", "redis://h:6379/1"),
        ("redis://:pw@h:6379/4", "redis://:pw@h:6379/4", "redis://:pw@h:6379/5"),
        ("redis://h/15", "redis://h/15", "redis://h/14"),
        ("unix:///run/redis.sock?db=2", "unix:///run/redis.sock?db=2", "unix:///run/redis.sock?db=3"),
        ("redis+socket:///run/redis.sock?virtual_host=2", "unix:///run/redis.sock?db=2", "unix:///run/redis.sock?db=3"),
    ],
)
def test_the_two_worlds_never_share_a_redis_database(tmp_path, given, real, simulated):
    places = places_of(tmp_path)
    assert redis_addresses(given=given, world="real", places=places).for_client == real
    assert redis_addresses(given=given, world="simulator", places=places).for_client == simulated


def test_celery_and_the_client_name_the_same_socket_each_in_its_own_way(tmp_path):
    addresses = redis_addresses(given=None, world="simulator", places=places_of(tmp_path))
    path = places_of(tmp_path).redis_socket
    assert addresses.for_celery == f"redis+socket://{path}?virtual_host=1"
    assert addresses.for_client == f"unix://{path}?db=1"


@pytest.mark.parametrize("letters", [1, 150, 3000])
def test_a_socket_path_stays_short_however_long_the_project_path_is(tmp_path, letters):
    places = places_of(tmp_path / ("x" * letters))
    assert max(len(str(places.redis_socket)), len(str(places.postgres_sockets / ".s.PGSQL.5432.lock"))) < 107


def test_two_projects_never_share_a_socket(tmp_path):
    assert places_of(tmp_path / "one").runtime != places_of(tmp_path / "two").runtime


def test_policy_comes_from_the_environment(settings_with):
    settings = settings_with(HEDGE_UTILIZATION_TRIGGER="90", HEDGE_COOLDOWN_SECONDS="60")
    assert settings["HEDGE_POLICY"].utilization_trigger_pct == Decimal(90)
    assert settings["HEDGE_POLICY"].cooldown_seconds == 60


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"HEDGE_UTILIZATION_TARGET": "96"}, "must rise in this order"),
        ({"HEDGE_EXIT_TRIGGER": "86"}, "must rise in this order"),
        ({"HEDGE_MIN_PREMIUM": "7"}, "is above HEDGE_MAX_PREMIUM"),
        ({"HEDGE_DEV_MODE": "true", "HOST": "192.0.2.7"}, "refused on HOST=192.0.2.7"),
        (
            {"HEDGE_DEV_MODE": "true", "OPENALGO_API_KEY": "0123456789abcdef", "AUTO_HEDGE_DRY_RUN": "false"},
            "refused with live orders",
        ),
        ({"CSRF_TRUSTED_ORIGINS": "hedge.example"}, "write it with its scheme"),
        ({"SIM_DATE": "1-Dec"}, "is not a date"),
        ({"PORT": "0"}, "out of bounds"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings_with, environment, said):
    with pytest.raises(SettingError, match=said) as refused:
        settings_with(**environment)
    assert "\n" not in str(refused.value)


def test_the_env_file_pasted_from_the_seed_system_is_understood(settings_with, tmp_path):
    """Its placeholders are no keys, its inline comments no values; everything else counts."""
    pasted = tmp_path / "pasted.env"
    pasted.write_text(
        "# Database\n"
        "REDIS_URL=redis://localhost:6379/0\n"
        "OPENALGO_BASE_URL=http://localhost:5000\n"
        "OPENALGO_API_KEY=your_api_key_here\n"
        "TELEGRAM_BOT_TOKEN=your_bot_token_here  # from @BotFather\n"
        "TELEGRAM_CHAT_ID=your_chat_id_here\n"
        "AUTO_HEDGE_ENABLED=true      # master switch\n"
        "AUTO_HEDGE_DRY_RUN=true      # no real orders\n"
        "HEDGE_UTILIZATION_TRIGGER=95.0  # %\n"
        "HEDGE_MAX_COST_PER_DAY=50000\n"
        "HEDGE_DEV_MODE=false\n"
    )
    settings = settings_with(AUTO_HEDGE_ENV_FILE=str(pasted))
    assert settings["WORLD"] == "simulator"
    assert (settings["AUTO_HEDGE_ENABLED"], settings["AUTO_HEDGE_DRY_RUN"]) == (True, True)
    assert (settings["TELEGRAM_BOT_TOKEN"], settings["TELEGRAM_CHAT_ID"]) == (None, None)
    assert settings["HEDGE_UTILIZATION_TRIGGER"] == 95
    assert [notice.split()[0] for notice in settings["NOTICES"]] == [
        "OPENALGO_API_KEY",
        "TELEGRAM_BOT_TOKEN",
        "TELEGRAM_CHAT_ID",
    ]


def test_the_process_environment_beats_the_env_file(settings_with, tmp_path):
    (tmp_path / "a.env").write_text("HEDGE_COOLDOWN_SECONDS=300\nHEDGE_LOOKAHEAD_MINUTES=9\n")
    settings = settings_with(AUTO_HEDGE_ENV_FILE=str(tmp_path / "a.env"), HEDGE_COOLDOWN_SECONDS="30")
    assert (settings["HEDGE_COOLDOWN_SECONDS"], settings["HEDGE_LOOKAHEAD_MINUTES"]) == (30, 9)
