"""The views of the tour: one control each, and the figure that it moves.

A view takes the clip (None where a step shows the whole demo set), the place of the control and
the place of the figure.
"""

import numpy as np
import streamlit as st

from core import compare, figures
from core.compare import Look, Window
from core.figures import learn
from core.figures.palette import BEFORE, FIXED
from core.learn import SR, ideas, rebuild
from core.learn.demo_set import FEATURES, START_BPM
from core.params import CleanParams, Denoise, SpectraParams, Trim
from core.spectra import mel_freqs, mel_power, power_to_db, stft_power
from pages.shared import cache, cache_learn, sounds
from pages.shared.learn_panels import HEIGHT, PART, TOP_DB, Voice, chart, picture

ZOOMS = {"All": None, "1 s": 1.0, "250 ms": 0.25, "62.5 ms": 0.0625, "10 ms": 0.01}
SLICE_S = 0.064
DB = {"title": {"text": "Level (dB)"}}
HZ = {"title": {"text": "Frequency (Hz)"}}


def waveform(voice: Voice, control, stage) -> None:
    """The clip from afar and from near."""
    zoom = control.select_slider("Zoom", list(ZOOMS), key="tour_zoom")
    length = min(ZOOMS[zoom] or voice.duration_s, voice.duration_s)
    middle = cache_learn.voiced_moment(voice.ref, PART)
    start = min(max(0.0, middle - length / 2), voice.duration_s - length)
    env = compare.side(voice.y, sr=SR, look=Look(Window(start, start + length))).envelope
    fig = figures.waveform(
        env, t0=start, t1=start + length, color=BEFORE, limit=_limit(voice.y), beside_scale=False
    )
    with stage:
        said = f"{length * 1000:,.1f} ms of the clip: {round(length * SR):,} samples."
        chart(learn.large(fig, HEIGHT), "waveform", said)
        _player(voice)


def spectrum(voice: Voice, control, stage) -> None:
    """The spectrum of 64 ms."""
    last = max(0.0, voice.duration_s - SLICE_S)
    begin = min(last, cache_learn.voiced_moment(voice.ref, PART) - SLICE_S / 2)
    at = control.slider(
        "Start of the 64 ms (s)", 0.0, max(last, 0.01), max(0.0, begin), 0.01, key="tour_at"
    )
    part = voice.y[round(at * SR) :][: round(SLICE_S * SR)]
    S = stft_power(part, sr=SR, params=SpectraParams(n_fft=1024, hop_length=512))
    db = power_to_db(S[:, S.shape[1] // 2], ref=1.0, top_db=None)  # the frame in the middle
    freqs = np.linspace(0, SR / 2, db.size)
    shown = freqs <= 4000
    fig = learn.lines(
        {"spectrum": (freqs[shown], db[shown])},
        x=HZ,
        y=DB | {"range": [-70, 50]},
        colors=(BEFORE,),
    )
    with stage:
        chart(
            learn.large(fig, HEIGHT),
            "spectrum",
            f"What is in the sound from {at:.2f} to {at + SLICE_S:.2f} s, up to 4,000 Hz.",
        )
        _player(voice)


def window(voice: Voice, control, stage) -> None:
    """The STFT with windows of several lengths."""
    ms = control.select_slider("Window (ms)", [4, 8, 16, 32, 64, 128], 32, key="tour_window")
    n_fft = 2 ** round(np.log2(ms * SR / 1000))
    settings = {"n_fft": n_fft, "hop_length": max(16, n_fft // 8)}
    with stage:
        chart(
            picture(voice.side(**settings), voice.look(**settings)),
            "stft",
            f"Windows of {n_fft / SR * 1000:.0f} ms tell {SR / n_fft:.0f} Hz apart.",
        )
        _player(voice)


def mel(voice: Voice, control, stage) -> None:
    """The mel spectrogram with few or many bands."""
    n_mels = control.select_slider("Mel bands", [8, 16, 20, 32, 64, 128], 128, key="tour_mels")
    side = voice.side(n_mels=n_mels, n_mfcc=min(20, n_mels))
    span = {"t0": 0.0, "t1": voice.duration_s, "top_db": TOP_DB}
    fig = figures.spectrogram(side.mel, axis="mel", **span)
    width = np.diff(mel_freqs(n_mels, sr=SR))
    with stage:
        chart(
            learn.large(fig, HEIGHT),
            "mel",
            f"{n_mels} bands: neighbours lie {width[0]:.0f} Hz apart at the bottom and "
            f"{width[-1]:.0f} Hz at the top.",
        )
        _player(voice)


def mfcc(voice: Voice, control, stage) -> None:
    """One moment's mel spectrum, drawn from its first coefficients."""
    n_mfcc = control.slider("Coefficients kept", 1, 40, 13, key="tour_mfcc")
    params = rebuild.PARAMS
    S_mel = mel_power(stft_power(voice.y, sr=SR, params=params), sr=SR, params=params)
    at = round(cache_learn.voiced_moment(voice.ref, PART) * SR / params.hop_length)
    at = min(at, S_mel.shape[1] - 1)
    smooth = rebuild.smooth_mel(S_mel, n_mfcc=n_mfcc)
    db = {
        name: power_to_db(S[:, at], ref=1.0, top_db=None)
        for name, S in {"128 mel bands": S_mel, f"{n_mfcc} coefficients": smooth}.items()
    }
    bands = np.arange(params.n_mels)
    off = float(np.sqrt(np.mean(np.square(np.subtract(*db.values())))))
    fig = learn.lines(
        {name: (bands, values) for name, values in db.items()},
        x={"title": {"text": "Mel band (number)"}},
        y=DB,
    )
    with stage:
        chart(
            learn.large(fig, HEIGHT),
            "mfcc",
            f"A vowel: {n_mfcc} numbers instead of 128, off by {off:.1f} dB (RMS).",
        )
        _player(voice)


def clean(voice: Voice, control, stage) -> None:
    """Before and after noise reduction and trimming."""
    top_db = control.slider("Trim below the maximum (dB)", 3, 60, 20, key="tour_trim")
    chain = CleanParams(denoise=Denoise(method="noisereduce"), trim=Trim(top_db=float(top_db)))
    look = voice.look()
    after = cache_learn.cleaned_side(voice.ref, PART, chain, look)
    done = cache.cleaned(voice.ref, SR, PART, chain)
    span = {"t0": 0.0, "t1": voice.duration_s, "limit": _limit(voice.y), "beside_scale": False}
    with stage:
        for name, side, color in (
            ("before", voice.side(), "#8a979c"),
            ("after", after, "#12a08f"),
        ):
            fig = figures.waveform(side.envelope, color=color, **span)
            said = f"{name.capitalize()}: {side.duration_s:.2f} s."
            chart(learn.large(fig, HEIGHT // 2 + 5), f"waveform_{name}", said)
        left, right = st.columns(2)
        with left:
            sounds.player(voice.y, sr=SR, key=voice.key, label="Before")
        with right:
            sounds.player(done.y, sr=SR, key=f"{voice.key} {chain.digest}", label="After")


def onsets(_, control, stage) -> None:
    """Onsets against words, clip by clip."""
    found = cache_learn.demo()
    names = list(np.unique(found.gender[found.gender != ""]))
    who = control.segmented_control(
        "Clips", ["all", *names], default="all", required=True, key="tour_onsets"
    )
    rows = np.isfinite(found.words) & ((found.gender == who) | (who == "all"))
    x, y = found.words[rows], found.onsets[rows]
    jitter = np.random.default_rng(0).uniform(-0.25, 0.25, x.size)
    fig = learn.points(
        {who: (x + jitter, y)},
        x={"title": {"text": "Words of the sentence (count)"}, "range": [0, 16]},
        y={"title": {"text": "Onsets (count)"}, "range": [0, 30]},
        agree=30.0,
    )
    with stage:
        chart(
            learn.large(fig, HEIGHT + 60),
            "onsets",
            f"{x.size} clips: {np.mean(y / x):.1f} onsets to a word; "
            f"{np.sum(x == y)} counts agree. Points are spread a little to be seen.",
        )


def tempo(_, control, stage) -> None:
    """Tempo against the length of the clip."""
    found = cache_learn.demo()
    start = control.select_slider(
        "Start of the search (beats per minute)", START_BPM, key="tour_bpm"
    )
    x, y = found.values["duration_s"], found.tempo[start]
    r = float(np.corrcoef(x, y)[0, 1])
    fig = learn.points(
        {"clips": (x, y)},
        x={"title": {"text": "Duration (s)"}},
        y={"title": {"text": "Tempo (beats per minute)"}, "rangemode": "tozero"},
    )
    with stage:
        chart(
            learn.large(fig, HEIGHT + 60),
            "tempo",
            f"Search from {start} beats per minute: tempo and duration go together with "
            f"r = {r:.2f} over {x.size} clips.",
        )


def f0(voice: Voice, control, stage) -> None:
    """The f0 track within narrow and wide limits."""
    chosen = control.select_slider("Search f0 from", list(ideas.F0_RANGES), key="tour_f0")
    fmin, fmax = ideas.F0_RANGES[chosen]
    track = cache_learn.f0(voice.ref, PART, fmin, fmax)
    voiced = track.f0[np.isfinite(track.f0)]
    ticks = [20, 50, 100, 200, 500, 1000, 2000, 5000]
    fig = learn.lines(
        {"f0": (track.times, track.f0)},
        x={"title": {"text": "Time (s)"}, "range": [0, voice.duration_s]},
        y={"title": {"text": "f0 (Hz)"}, "type": "log", "range": [1.2, 3.9]}
        | {"tickvals": ticks, "ticktext": [f"{t:,}" for t in ticks]},
        colors=(BEFORE,),
        markers=True,
    )
    with stage:
        if voiced.size:
            p95 = np.percentile(voiced, 95)
            said = f"Median {np.median(voiced):.0f} Hz, mean {voiced.mean():.0f} Hz, "
            said += f"95th percentile {p95:,.0f} Hz, over {voiced.size} voiced frames."
        else:
            said = "No frame is voiced."
        chart(learn.large(fig, HEIGHT), "f0", said)
        _player(voice)


def balance(_, control, stage) -> None:
    """Clips and speakers by gender and age."""
    found = cache_learn.demo()
    label = control.segmented_control(
        "Count by", ["gender", "age"], default="gender", required=True, key="tour_balance"
    )
    clips = ideas.balance(found, label, by_speaker=False)
    people = ideas.balance(found, label, by_speaker=True)
    count = dict(zip(people.groups, people.counts, strict=True))
    fig = learn.bars(
        clips.groups,
        {"clips": clips.counts, "speakers": np.array([count.get(g, 0) for g in clips.groups])},
        x={"title": {"text": label.capitalize()}, "type": "category"},
        y={"title": {"text": "Count"}},
    )
    with stage:
        chart(
            learn.large(fig, HEIGHT + 60),
            "balance",
            f"{clips.counts.sum()} clips by {people.counts.sum()} speakers. Always the largest "
            f"group would be right for {100 * clips.share:.0f} % of the labelled clips.",
        )


def outliers(_, control, stage) -> None:
    """A limit on z, and what it drops."""
    found = cache_learn.demo()
    limit = control.slider("Limit on |z|", 1.0, 4.0, 3.0, 0.1, key="tour_z")
    cut = ideas.z_cut(found.values["rms_dbfs"], limit=limit)
    fig = learn.histogram(
        cut.values, low=cut.low, high=cut.high, x={"title": {"text": FEATURES["rms_dbfs"]}}
    )
    dropped = int(np.sum(~cut.kept))
    with stage:
        chart(
            learn.large(fig, HEIGHT + 60),
            "outliers",
            f"|z| up to {limit:.1f} keeps {cut.low:.1f} to {cut.high:.1f} dBFS: {dropped} of "
            f"{cut.values.size} clips go. The demo set's quiet clips were made so on purpose.",
        )


def correlation(_, control, stage) -> None:
    """One feature against f0, men and women apart."""
    found = cache_learn.demo()
    names = [n for n in FEATURES if n != "f0_median_hz"]
    other = control.selectbox(
        "Compare f0 with", names, format_func=FEATURES.get, key="tour_pair", filter_mode=None
    )
    r = ideas.pair(found, "f0_median_hz", other).r
    with_gender = [ideas.pair(found, n, "gender").r for n in ("f0_median_hz", other)]
    groups = {
        g: (found.values["f0_median_hz"][found.gender == g], found.values[other][found.gender == g])
        for g in ("female", "male")
    }
    fig = learn.points(
        groups,
        x={"title": {"text": FEATURES["f0_median_hz"]}},
        y={"title": {"text": FEATURES[other]}},
        colors=FIXED,
    )
    with stage:
        chart(
            learn.large(fig, HEIGHT + 60),
            "correlation",
            f"With each other r = {r:.2f}; with gender: f0 {with_gender[0]:.2f}, the other "
            f"{with_gender[1]:.2f}. Synthetic voices: f0 was made to follow gender.",
        )


def mels(_, control, stage) -> None:
    """Mean mel strength of women and men, or their difference."""
    found = cache_learn.demo()
    shown = control.segmented_control(
        "Show", ["both", "male − female"], default="both", required=True, key="tour_mean"
    )
    means = ideas.mean_mels(found, by_speaker=True)
    bands = mel_freqs(128, sr=SR)
    difference = means["male"] - means["female"]
    curves = means if shown == "both" else {shown: difference}
    fig = learn.lines(
        {name: (bands, values) for name, values in curves.items()},
        x={"title": {"text": "Centre of the mel band (Hz)"}, "type": "log"}
        | {"tickvals": [50, 100, 200, 500, 1000, 2000, 5000]},
        y={"title": {"text": "Mean level (dB)" if shown == "both" else "Difference (dB)"}},
        colors=(FIXED["female"], FIXED["male"]),
    )
    at = int(np.argmax(difference))
    with stage:
        chart(
            learn.large(fig, HEIGHT + 60),
            "mels",
            f"Means over speakers. Men are most ahead at {bands[at]:.0f} Hz, by "
            f"{difference[at]:.0f} dB.",
        )


def leak(_, control, stage) -> None:
    """Balanced accuracy of three targets, split by clip and by speaker."""
    splits = {"By clip": "by_clip", "By speaker": "by_speaker"}
    split = control.segmented_control(
        "Split", [*splits, "Both"], default="By clip", required=True, key="tour_split"
    )
    found = cache_learn.leaks()
    shown = splits if split == "Both" else {split: splits[split]}
    fig = learn.bars(
        tuple(one.target for one in found),
        {name: np.array([getattr(one, field) for one in found]) for name, field in shown.items()},
        x={"title": {"text": "What is learned"}, "type": "category"},
        y={"title": {"text": "Balanced accuracy (0 to 1)"}, "range": [0, 1.1]},
        colors=("#d8682a",)
        if split == "By clip"
        else ("#12a08f",)
        if split == "By speaker"
        else ("#d8682a", "#12a08f"),
        level=tuple(one.chance for one in found),
        digits=2,
    )
    coin = found[-1]
    with stage:
        chart(
            learn.large(fig, HEIGHT + 60),
            "leak",
            f"The coin: {coin.by_clip:.2f} by clip, {coin.by_speaker:.2f} by speaker, where "
            f"guessing gives {coin.chance:.2f}. The line marks guessing.",
        )


def _player(voice: Voice) -> None:
    sounds.player(voice.y, sr=SR, key=voice.key, label=voice.title)


def _limit(y: np.ndarray) -> float:
    return max(float(np.abs(y).max(initial=0.0)), 1e-3)


VIEWS = {
    view.__name__: view
    for view in (
        waveform,
        spectrum,
        window,
        mel,
        mfcc,
        clean,
        onsets,
        tempo,
        f0,
        balance,
        outliers,
        correlation,
        mels,
        leak,
    )
}
