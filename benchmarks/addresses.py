"""Two sounds of one length never share an address, an upload or bytes.

    python -m benchmarks.addresses [--pairs 1000] [--seed N]

Each pair is a recording over 1 MiB and an edit of it of the same length and name, taken in as
uploads and given to the player; beside it, how many pairs Streamlit's own media address, which
looks at three stretches of 64 KiB, would take for one file.
"""

import argparse
from dataclasses import dataclass
import logging
import os
from pathlib import Path
import tempfile
from unittest import mock

import numpy as np

from core import audio, player
from core.audio import ClipRef

SR, SECONDS = 16_000, 40.0


@dataclass
class Found:
    """How many of the pairs were told apart, and how many Streamlit would confuse."""

    pairs: int = 0
    uploads: int = 0
    addresses: int = 0
    sounds: int = 0
    confused: int = 0


def run(pairs: int, seed: int, folder: Path) -> Found:
    """Take in the pairs as one visitor's uploads and ask for their players."""
    from pages.shared import session
    from pages.shared.player import cache_summary, tracks

    def summary(ref, y, sr):  # the page's is kept for a session, of which there is none
        return player.summarise(y, sr=sr, path=ref.path)

    rng, found = np.random.default_rng(seed), Found()
    mine = session.Mine("token", folder)
    with (
        mock.patch.object(session, "mine", lambda: mine),
        mock.patch.object(cache_summary, "summary", summary),
    ):
        for _ in range(pairs):
            y = (rng.standard_normal(round(SR * SECONDS)) / 10).astype(np.float32)
            edit = _edited(y, rng)
            both = [audio.encode_wav(sound, sr=SR, bits=16) for sound in (y, edit)]
            ids = [mine.add("same name.wav", data) for data in both]
            refs = [mine.clips[clip_id][1] for clip_id in ids]
            names = [f"{ref} None None" for ref in refs]  # as the clip page calls them
            made = [_player(tracks, *pair) for pair in zip(refs, names, strict=True)]
            found.pairs += 1
            found.uploads += ids[0] != ids[1]
            found.addresses += made[0][0] != made[1][0]
            right = [sound == data for (_, sound), data in zip(made, both, strict=True)]
            found.sounds += all(right) and both[0] != both[1]
            found.confused += len({_streamlit_address(data) for data in both}) == 1
    return found


def _edited(y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A tenth of a second made silent, somewhere."""
    n = SR // 10
    at = int(rng.integers(0, y.size - n))
    edit = y.copy()
    edit[at : at + n] = 0
    return edit


def _player(tracks, ref: ClipRef, name: str) -> tuple[str, bytes]:
    """Address and bytes of the sound that a player of this upload plays."""
    y, sr = audio.load(ref)
    track = tracks({"Before": y}, sr=sr, key=name)[0]
    stem = track.url.rsplit("/", 1)[1].removesuffix(".wav")
    from pages.shared import session

    return track.url, (session.mine().folder / "sounds" / f"{stem}.wav").read_bytes()


def _streamlit_address(data: bytes) -> str:
    from streamlit.runtime.memory_media_file_storage import _calculate_file_id

    return _calculate_file_id(data, "audio/wav")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    args = parser.parse_args()
    logging.disable(logging.WARNING)  # Streamlit's, that there is no session
    with tempfile.TemporaryDirectory() as folder:
        found = run(args.pairs, args.seed, Path(folder))
    megabytes = 2 * SR * SECONDS / 2**20
    print(f"seed {args.seed}: {found.pairs:,} pairs of {megabytes:.2f} MiB, equally long")
    print(f"told apart as uploads   {found.uploads:,} (wanted {found.pairs:,})")
    print(f"with addresses apart    {found.addresses:,} (wanted {found.pairs:,})")
    print(f"with their own samples  {found.sounds:,} (wanted {found.pairs:,})")
    print(f"Streamlit's own address would confuse {found.confused:,}")


if __name__ == "__main__":
    main()
