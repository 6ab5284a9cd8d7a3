"""The settings of the clip page: each lives in the page's address."""

import streamlit as st

from core.compare import AXES
from core.params import WINDOWS, CleanParams, Denoise, Gain, HighPass, HumNotch, SpectraParams, Trim

BOUND = {"bind": "query-params"}
# These labels stand in links: reword them with care.
METHODS = {"lsa": "Log-spectral amplitude", "noisereduce": "noisereduce"}
RATES = {0: "As recorded", 16000: "16000 Hz", 8000: "8000 Hz"}

ARTICLE = {
    "sr": 16000,
    "high_pass": False,
    "hum_notch": False,
    "denoise": True,
    "method": "noisereduce",
    "prop_decrease": 1.0,
    "time_constant_s": 2.0,
    "trim": True,
    "trim_db": 20.0,
    "gain": False,
    "n_fft": 2048,
    "hop_length": 512,
    "window": "hann",
    "n_mels": 128,
    "n_mfcc": 20,
    "top_db": 80,
    "axis": "log",
}


def use_article() -> None:
    """Set every control to the article's parameters."""
    st.session_state.update(ARTICLE)


def rate() -> int | None:
    """The sampling rate to work at; None keeps the recording's own."""
    chosen = st.selectbox(
        "Sampling rate",
        list(RATES),
        format_func=RATES.get,
        key="sr",
        help="The article resamples everything to 16,000 Hz. Sounds above half the rate are lost.",
        **BOUND,
    )
    return chosen or None


def chain() -> CleanParams:
    """The cleaning chain, in the order it is applied."""
    return CleanParams(
        high_pass=_high_pass(),
        hum_notch=_hum_notch(),
        denoise=_denoise(),
        trim=_trim(),
        gain=_gain(),
    )


def _high_pass() -> HighPass:
    on = st.toggle(
        "1 High-pass", key="high_pass", help="Removes rumble below the cut-off.", **BOUND
    )
    if not on:
        return HighPass()
    return HighPass(True, st.slider("Cut-off (Hz)", 20, 300, 80, 5, key="cutoff_hz", **BOUND))


def _hum_notch() -> HumNotch:
    on = st.toggle("2 Hum notch", key="hum_notch", help="Removes mains hum and overtones.", **BOUND)
    if not on:
        return HumNotch()
    freq = st.segmented_control(
        "Mains frequency (Hz)", [50, 60], default=50, required=True, key="hum_hz", **BOUND
    )
    count = st.slider("Harmonics", 1, 20, 5, key="harmonics", **BOUND)
    return HumNotch(True, float(freq), count)


def _denoise() -> Denoise:
    on = st.toggle("3 Denoise", value=True, key="denoise", **BOUND)
    if not on:
        return Denoise(on=False)
    method = st.selectbox(
        "Method",
        list(METHODS),
        format_func=METHODS.get,
        key="method",
        help=(
            "Log-spectral amplitude is gentle: it keeps the level of speech and leaves some noise. "
            "noisereduce, the article's, removes more noise, and some of the voice with it."
        ),
        **BOUND,
    )
    if method == "lsa":
        text = "How far noise may be turned down."
        strength = st.slider("Strength (dB)", 0, 40, 12, key="strength_db", help=text, **BOUND)
        return Denoise(strength_db=float(strength))
    amount = st.slider("Amount", 0.0, 1.0, 1.0, 0.05, key="prop_decrease", **BOUND)
    constant = st.slider("Noise memory (s)", 0.5, 10.0, 2.0, 0.5, key="time_constant_s", **BOUND)
    return Denoise(method=method, prop_decrease=amount, time_constant_s=constant)


def _trim() -> Trim:
    on = st.toggle("4 Trim silence at both ends", value=True, key="trim", **BOUND)
    if not on:
        return Trim(on=False)
    text = "Ends quieter than the loudest moment by more than this are cut."
    top_db = st.slider(
        "Below maximum (dB)", 5.0, 60.0, 20.0, 1.0, key="trim_db", help=text, **BOUND
    )
    return Trim(top_db=top_db)


def _gain() -> Gain:
    if not st.toggle("5 Gain", key="gain", **BOUND):
        return Gain()
    return Gain(True, st.slider("Gain (dB)", -30.0, 30.0, 0.0, 0.5, key="gain_db", **BOUND))


def pictures() -> tuple[SpectraParams, str]:
    """Settings of the spectral pictures and the STFT's frequency axis."""
    axis = st.segmented_control(
        "Frequency axis", list(AXES), default="log", required=True, key="axis", **BOUND
    )
    top_db = st.slider("Range of colours (dB)", 20, 120, 80, 5, key="top_db", **BOUND)
    n_fft = st.select_slider(
        "Window length n_fft (samples)",
        [256, 512, 1024, 2048, 4096, 8192],
        2048,
        key="n_fft",
        **BOUND,
    )
    hop = st.select_slider(
        "Hop (samples)", [32, 64, 128, 256, 512, 1024], 512, key="hop_length", **BOUND
    )
    window = st.selectbox("Window", list(WINDOWS), key="window", **BOUND)
    n_mels = st.slider("Mel bands", 16, 256, 128, 8, key="n_mels", **BOUND)
    n_mfcc = st.slider("MFCC coefficients", 4, 40, 20, key="n_mfcc", **BOUND)
    return (
        SpectraParams(
            n_fft=n_fft,
            hop_length=min(hop, n_fft),
            window=window,
            n_mels=n_mels,
            n_mfcc=min(n_mfcc, n_mels),
            top_db=float(top_db),
        ),
        axis,
    )
