"""Show the code: the script that makes the same numbers with public libraries.

The script needs numpy, scipy, librosa, soundfile and, for the article's denoising, noisereduce. It
ends with the cleaned sound ``y_clean`` and the pictures ``S_db``, ``mel_db`` and ``mfcc`` of the
sound before and after, on common references, as the page shows them.
"""

from pathlib import Path

from core.compare import Look
from core.params import CleanParams, Denoise


def clip_script(
    name: str,
    *,
    sr: int | None,
    chain: CleanParams,
    look: Look,
    part: tuple[float, float] | None = None,
) -> str:
    """The script, as text.

    Parameters
    ----------
    name : str
        File name to read, shown as a Python string; the user puts the real path there.
    sr : int or None
        Sampling rate to resample to; None keeps the recording's own.
    chain : CleanParams
        The cleaning steps; those that are off leave no line.
    look : Look
        Settings of the pictures and the stretch of time on screen.
    part : (float, float), optional
        Start and length in s of the part of a long recording that is open.

    Returns
    -------
    str
        Python source.
    """
    blocks = [_imports(chain), _load(name, sr, part), _clean(chain), _pictures(look), _plots(look)]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _imports(chain: CleanParams) -> str:
    lines = ["import librosa"]
    if chain.denoise.on and chain.denoise.method == "noisereduce":
        lines.append("import noisereduce")
    lines += ["import numpy as np"]
    if chain.high_pass.on or chain.hum_notch.on:
        lines.append("from scipy import signal")
    lines.append("import soundfile as sf")
    if chain.denoise.on and chain.denoise.method == "lsa":
        return "\n".join(lines) + "\n\n" + _lsa_source()
    return "\n".join(lines)


def _lsa_source() -> str:
    """The imports and the function of ``_lsa_listing.py``, without its module docstring."""
    text = Path(__file__).with_name("_lsa_listing.py").read_text()
    return text.split("import numpy as np\n", 1)[1].strip()


def _load(name: str, sr: int | None, part: tuple[float, float] | None) -> str:
    where = f", offset={part[0]!r}, duration={part[1]!r}" if part else ""
    return f"y, sr = librosa.load({name!r}, sr={sr!r}, mono=True{where})"


def _clean(chain: CleanParams) -> str:
    lines = ["y_clean = y", "start = 0"]
    if chain.high_pass.on:
        step = chain.high_pass
        lines += [
            f"cutoff_hz, order = {step.cutoff_hz!r}, {step.order}",
            "sos = signal.butter(order, cutoff_hz, 'highpass', fs=sr, output='sos')",
            "y_clean = signal.sosfiltfilt(sos, y_clean)",
        ]
    if chain.hum_notch.on:
        step = chain.hum_notch
        lines += [
            f"for k in range(1, {step.harmonics} + 1):",
            f"    if k * {step.freq_hz!r} < 0.45 * sr:",
            f"        Q = k * {step.freq_hz!r} / {step.width_hz!r}",
            f"        b, a = signal.iirnotch(k * {step.freq_hz!r}, Q, fs=sr)",
            "        y_clean = signal.filtfilt(b, a, y_clean)",
        ]
    if chain.denoise.on:
        lines += _denoise(chain.denoise)
    if chain.trim.on:
        lines += [
            f"y_clean, (start, _) = librosa.effects.trim(y_clean, top_db={chain.trim.top_db!r})",
        ]
    if chain.gain.on:
        lines += [f"y_clean = y_clean * 10 ** ({chain.gain.gain_db!r} / 20)"]
    return "\n".join([*lines, "sf.write('cleaned.wav', y_clean, sr, subtype='FLOAT')"])


def _denoise(step: Denoise) -> list[str]:
    if step.method == "lsa":
        return [f"y_clean = lsa(y_clean, sr, {step.strength_db!r})"]
    return [
        "y_clean = noisereduce.reduce_noise(",
        "    y=y_clean, sr=sr, stationary=False,",
        f"    prop_decrease={step.prop_decrease!r}, time_constant_s={step.time_constant_s!r},",
        f"    freq_mask_smooth_hz={step.freq_mask_smooth_hz!r},",
        f"    time_mask_smooth_ms={step.time_mask_smooth_ms!r},",
        f"    thresh_n_mult_nonstationary={step.thresh_n_mult_nonstationary!r},",
        ")",
    ]


def _pictures(look: Look) -> str:
    p, t0, t1 = look.params, look.window.t0, look.window.t1
    return f"""\
def power(y):
    D = librosa.stft(y, n_fft={p.n_fft}, hop_length={p.hop_length}, window={p.window!r})
    return np.abs(D) ** 2


def mel(S):
    return librosa.feature.melspectrogram(S=S, sr=sr, n_mels={p.n_mels})


def mfcc(S):
    return librosa.feature.mfcc(S=librosa.power_to_db(mel(S)), n_mfcc={p.n_mfcc})


def db(S, ref):  # 0 dB is the loudest point of the recording before cleaning
    return 10 * np.log10(np.maximum(S / ref, 10 ** (-{p.top_db!r} / 10)))


S, S_clean = power(y), power(y_clean)
S_db, S_clean_db = db(S, S.max()), db(S_clean, S.max())
mel_db, mel_clean_db = db(mel(S), mel(S).max()), db(mel(S_clean), mel(S).max())
mfcc_before, mfcc_after = mfcc(S), mfcc(S_clean)
shown = y[round({t0!r} * sr) : round({t1!r} * sr)]
spectrum, freqs = np.abs(np.fft.rfft(shown)), np.fft.rfftfreq(shown.size, 1 / sr)"""


def _plots(look: Look) -> str:
    t0, t1 = look.window.t0, look.window.t1
    axis = {"log": "log", "linear": "linear", "mel": "mel"}[look.axis]
    return f"""\
# Optional: the pictures, with matplotlib.
import matplotlib.pyplot as plt

fig, axes = plt.subplots(3, 2, figsize=(12, 9), sharex=True, layout="constrained")
for column, (sound, at, pictures) in enumerate(
    [(y, 0, (S_db, mel_db)), (y_clean, start / sr, (S_clean_db, mel_clean_db))]
):
    axes[0, column].plot(at + np.arange(sound.size) / sr, sound, linewidth=0.5)
    for row, (z, y_axis) in enumerate(zip(pictures, ({axis!r}, "mel")), start=1):
        times = at + np.arange(z.shape[1]) * {look.params.hop_length} / sr
        librosa.display.specshow(
            z, x_coords=times, sr=sr, n_fft={look.params.n_fft}, x_axis="time", y_axis=y_axis,
            ax=axes[row, column],
        )
axes[0, 0].set_xlim({t0!r}, {t1!r})
axes[0, 0].set_title("Before")
axes[0, 1].set_title("After")
plt.show()"""
