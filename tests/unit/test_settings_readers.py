"""Settings are read as people write them, and nonsense is refused in one line that names the setting and the fix."""

from decimal import Decimal

import pytest

from config.env import Environment, SettingError, is_placeholder, lasting_secret, parse_env_file


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("NAME=value", "value"),
        ("NAME=value   # a comment", "value"),
        ("NAME=value\t# a comment", "value"),
        ("NAME=# only a comment", ""),
        ("NAME=", ""),
        ("NAME=p#ss", "p#ss"),
        ("NAME=a=b", "a=b"),
        ("  export NAME = value ", "value"),
        ("NAME='a # b'  # c", "a # b"),
        ('NAME="a # b"', "a # b"),
        (r'NAME="say \"hi\""', 'say "hi"'),
        ("\ufeffNAME=value", "value"),
    ],
)
def test_a_line_of_the_env_file_means_what_people_mean(line, value):
    assert parse_env_file(line) == {"NAME": value}


def test_comments_and_empty_lines_are_skipped():
    assert parse_env_file("# one\n\n   # two\nNAME=value\r\n") == {"NAME": "value"}


def test_a_line_that_is_no_setting_is_named_by_its_number():
    with pytest.raises(SettingError, match=r"^\.env line 2 is not NAME=value"):
        parse_env_file("NAME=value\nthis is not a setting\n")


@pytest.mark.parametrize("text", ["true", "TRUE", "yes", "On", "1"])
def test_words_for_true(text):
    assert Environment({"SWITCH": text}).flag("SWITCH", default=False) is True


@pytest.mark.parametrize("text", ["false", "False", "no", "OFF", "0"])
def test_words_for_false(text):
    assert Environment({"SWITCH": text}).flag("SWITCH", default=True) is False


@pytest.mark.parametrize("text", ["flase", "2", "dry", "tru e"])
def test_a_typing_error_in_a_switch_is_neither_true_nor_false(text):
    with pytest.raises(SettingError, match=r"^AUTO_HEDGE_DRY_RUN=.* write AUTO_HEDGE_DRY_RUN=true or"):
        Environment({"AUTO_HEDGE_DRY_RUN": text}).flag("AUTO_HEDGE_DRY_RUN", default=True)


@pytest.mark.parametrize(
    ("text", "number"), [("95", 95), ("95%", 95), ("1,00,000", 100000), ("1_000", 1000), (" 2.5 ", "2.5")]
)
def test_numbers_are_read_as_people_write_them(text, number):
    assert Environment({"N": text}).decimal("N", Decimal(0), least=Decimal(0), most=Decimal(10**6)) == Decimal(number)


@pytest.mark.parametrize("text", ["ninety", "NaN", "Infinity", "-0.01", "100.01", "1e9"])
def test_numbers_out_of_bounds_or_none_at_all_are_refused(text):
    with pytest.raises(SettingError, match=r"^N="):
        Environment({"N": text}).decimal("N", Decimal(1), least=Decimal(0), most=Decimal(100))


@pytest.mark.parametrize("text", ["0", "100"])
def test_bounds_are_included(text):
    assert Environment({"N": text}).decimal("N", Decimal(1), least=Decimal(0), most=Decimal(100)) == Decimal(text)


def test_a_whole_number_has_no_fraction():
    with pytest.raises(SettingError, match=r"^PORT=5010\.5 is not a whole number"):
        Environment({"PORT": "5010.5"}).whole("PORT", 1, least=1, most=65535)


def test_an_empty_value_counts_as_unset():
    assert Environment({"N": "  "}).whole("N", 7, least=1, most=9) == 7


@pytest.mark.parametrize(
    "text",
    [
        "your_api_key_here",
        "YOUR-TOKEN",
        "<token>",
        "changeme",
        "change_me_please",
        "xxxx",
        "put_key_here",
        "None",
        "sk-...",
    ],
)
def test_fillers_of_examples_are_placeholders(text):
    assert is_placeholder(text)


@pytest.mark.parametrize("text", ["3f9a1c", "yourself1234", "123456:AAE-x_y", "here-it-is", "x1x2x3"])
def test_real_keys_are_not_placeholders(text):
    assert not is_placeholder(text)


def test_a_placeholder_key_is_no_key_and_one_notice_says_so():
    environment = Environment({"OPENALGO_API_KEY": "your_api_key_here"})
    assert environment.key("OPENALGO_API_KEY", without="the simulator is used") is None
    assert environment.notices == ["OPENALGO_API_KEY is a placeholder, not a key: the simulator is used"]


def test_the_database_url_of_an_older_installation_is_accepted():
    config = Environment({"DATABASE_URL": "postgresql+asyncpg://me:p%40ss@db.example:5433/name?ssl=true"}).database(
        "DATABASE_URL"
    )
    assert config is not None
    assert (config["USER"], config["PASSWORD"], config["HOST"], config["PORT"], config["NAME"]) == (
        "me",
        "p@ss",
        "db.example",
        5433,
        "name",
    )
    assert config["OPTIONS"] == {"sslmode": "require"}


def test_a_database_url_may_name_a_socket_folder():
    config = Environment({"DATABASE_URL": "postgresql://me@/name?host=/run/pg&port=5433"}).database("DATABASE_URL")
    assert config is not None
    assert (config["HOST"], config["PORT"], config["OPTIONS"]) == ("/run/pg", 5433, {})


@pytest.mark.parametrize("url", ["mysql://h/db", "localhost:5432/db", "postgresql://h:5432", "postgresql://h:port/db"])
def test_a_database_url_that_cannot_be_used_is_refused_without_showing_it(url):
    with pytest.raises(SettingError, match=r"^DATABASE_URL .*postgresql://user:password@host:5432/name"):
        Environment({"DATABASE_URL": url}).database("DATABASE_URL")


@pytest.mark.parametrize("url", ["openalgo.example", "ftp://h", "http://", "http://h:port"])
def test_an_address_without_scheme_host_or_number_is_refused(url):
    with pytest.raises(SettingError, match=r"^OPENALGO_BASE_URL is not a usable URL"):
        Environment({"OPENALGO_BASE_URL": url}).url("OPENALGO_BASE_URL", "", schemes=("http", "https"))


def test_the_secret_is_made_once_and_for_its_owner_only(tmp_path):
    path = tmp_path / "var" / "secret_key"
    first = lasting_secret(path)
    assert len(first) >= 50
    assert lasting_secret(path) == first
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["secret_key"]


def test_a_secret_that_cannot_be_kept_is_refused_in_one_line(tmp_path):
    (tmp_path / "var").write_text("a file where the folder should be")
    with pytest.raises(SettingError, match=r"^SECRET_KEY cannot be kept in .* or set SECRET_KEY$"):
        lasting_secret(tmp_path / "var" / "secret_key")
