"""The built-in recordings: one data set that is always there."""

from pathlib import Path

from core.datasets.common_voice import CommonVoice

_DEMO_TITLES = {
    "clean": "A clean recording",
    "silence_at_both_ends": "Silence at both ends",
    "clicks_in_the_silence": "Clicks in the silence",
    "broad_varying_noise": "Broad, varying noise",
    "constant_narrow_band_noise": "Constant narrow-band noise",
    "hum_50_hz": "Mains hum, 50 Hz",
    "hum_60_hz": "Mains hum, 60 Hz",
    "clipping": "Clipping: recorded too loud",
    "low_level": "Low level: recorded too quietly",
    "dc_offset": "DC offset: the wave is not centred",
    "telephone_band": "Telephone: 300 to 3,400 Hz only",
    "low_sampling_rate": "Low sampling rate: 8 kHz",
    "stereo": "Stereo",
    "one_dead_channel": "Stereo with one dead channel",
    "several_at_once": "Several problems at once",
}


def demo_folder() -> Path:
    """Folder of the built-in recordings."""
    return Path(__file__).resolve().parents[2] / "demo"


def demo() -> CommonVoice:
    """The built-in recordings: synthetic voices in Common Voice's layout."""
    return CommonVoice(demo_folder())


def demo_titles() -> dict[str, str]:
    """Readable names of the clips that show one situation each, by clip_id.

    The order is a lesson's: the clean one, the article's four, then the others.
    """
    folder = demo_folder().name
    return {f"{folder}/demo_{name}": title for name, title in _DEMO_TITLES.items()}
