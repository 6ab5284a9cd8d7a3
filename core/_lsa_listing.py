"""The log-spectral amplitude estimator in plain numpy, to be read and to be printed.

``core.clean`` runs the same method compiled; ``core.script`` prints this file's function into the
script that "Show the code" gives, and a test compares the two.
"""

import numpy as np
from scipy.special import exp1


def lsa(y, sr, strength_db):
    """Denoise by MMSE log-spectral amplitude; takes away at most ``strength_db``.

    Gain of Ephraim & Malah (1985); noise tracked by the speech presence probability of Gerkmann &
    Hendriks (2012). Frames of 32 ms, half overlapped, square-root Hann windows.
    """
    n = int(sr * 0.032) // 2 * 2
    hop = n // 2
    window = np.sin(np.pi * (np.arange(n) + 0.5) / n)
    padded = np.concatenate([np.zeros(n), y, np.zeros(2 * n)])
    starts = np.arange(0, padded.size - n + 1, hop)
    D = np.fft.rfft([padded[s : s + n] * window for s in starts], axis=1)
    P = np.abs(D) ** 2

    energy = P.sum(axis=1)
    heard = np.flatnonzero(energy > 1e-9 * energy.max())
    quiet = heard[np.argsort(energy[heard])[: max(4, int(0.12 * heard.size))]]
    noise = 1.2 * P[quiet].mean(axis=0) + 1e-12
    loud = energy[heard][energy[heard] >= np.median(energy[heard])].mean()
    snr_db = 10 * np.log10(loud / energy[quiet].mean())
    strength_db *= np.clip((28 + strength_db - snr_db) / 20, 0, 1)  # clean speech is left alone
    floor, presence, previous = 10 ** (-strength_db / 20), 0.5, 0.0
    ratio = 10**0.7  # assumed SNR where speech is present, 7 dB
    for t in range(len(P)):
        exponent = np.minimum(P[t] / noise * ratio / (1 + ratio), 60)
        p = 1 / (1 + (1 + ratio) * np.exp(-exponent))
        presence = 0.9 * presence + 0.1 * p
        p = np.where(presence > 0.99, np.minimum(p, 0.99), p)  # never stop tracking
        noise = np.maximum(noise + 0.15 * (1 - p) * (P[t] - noise), 1e-16)
        posterior = np.minimum(P[t] / noise, 1e4)
        prior = 0.98 * previous / noise + 0.02 * np.maximum(posterior - 1, 0)
        prior = np.maximum(prior, 10**-2.5)
        wiener = prior / (1 + prior)
        v = np.maximum(wiener * posterior, 1e-8)
        gain = np.minimum(wiener * np.exp(0.5 * exp1(v)), 1)
        previous = gain**2 * P[t]
        D[t] *= np.maximum(gain, floor)

    out = np.zeros(padded.size)
    for s, frame in zip(starts, np.fft.irfft(D, n, axis=1), strict=True):
        out[s : s + n] += frame * window
    return out[n : n + y.size]
