import pytest

from libs.settings import ServiceSettings, SettingsError, read


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
