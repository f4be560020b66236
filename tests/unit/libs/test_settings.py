import pytest

from libs.settings import ServiceSettings, SettingsError, misspelt, read


class Sample(ServiceSettings, frozen=True, kw_only=True):
    redis: str
    limit_bytes: int = 10


def test_settings_come_from_names_with_the_prefix() -> None:
    sample = read(Sample, {"INLET_KAFKA": "k:1", "INLET_REDIS": "r", "INLET_PORT": "80", "INLET_LIMIT_BYTES": "5"})
    assert sample == Sample(kafka="k:1", redis="r", port=80, limit_bytes=5)


def test_everything_wrong_is_named_at_once_and_no_value_is_shown() -> None:
    with pytest.raises(SettingsError) as raised:
        read(Sample, {"INLET_PORT": "s3cret", "INLET_LIMIT_BYTES": "s3cret"})
    message = str(raised.value)
    assert "INLET_KAFKA is not set" in message
    assert "INLET_REDIS is not set" in message
    assert "INLET_PORT: Expected `int`" in message
    assert "INLET_LIMIT_BYTES" in message
    assert "s3cret" not in message


def test_a_name_that_is_almost_that_of_a_setting_is_pointed_out() -> None:
    given = {"INLET_KAFKA": "k:1", "INLET_REDSI": "r", "INLET_PORT": "80", "INLET_LIMIT_BYTE": "5", "LIMIT_BYTES": "5"}
    assert [*misspelt(Sample, given)] == [("INLET_REDSI", "INLET_REDIS"), ("INLET_LIMIT_BYTE", "INLET_LIMIT_BYTES")]
    with pytest.raises(SettingsError, match="INLET_REDIS is not set; INLET_REDSI is set: is INLET_REDIS meant"):
        read(Sample, given)


def test_settings_do_not_show_their_values() -> None:
    sample = Sample(kafka="s3cret", redis="redis://:s3cret@host", port=80)
    assert "s3cret" not in f"{sample} {sample!r}"
