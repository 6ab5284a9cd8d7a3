"""What a file's own marks say against it: cut short, broken inside, changed on the way.

Conventions: loaded by ``_child`` beside the decoders, so it imports nothing of core; a note is a
code and its numbers, which ``_notes`` turns into a sentence. Only marks are read, no sound, of at
most 64 MiB; nothing here refuses a file.
"""

import os
import zlib

_MOST_BYTES = 64 * 2**20
_HEAD_BYTES = 2**20
_MOST_SEARCHES = 100_000
_REVERSED = bytes(int(f"{i:08b}"[::-1], 2) for i in range(256))
_KBPS = {  # of MPEG audio by (MPEG 1, layer)
    (True, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = (44_100, 48_000, 32_000)


def look(path: str, container: str) -> list[list]:
    """Notes on a file of this container; [] where there is nothing to say."""
    walk = {"WAV": _wav, "AIFF": _aiff, "MP3": _mp3, "OGG": _ogg, "FLAC": _flac}.get(container)
    if walk is None:
        return []
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        data = file.read(_MOST_BYTES if walk in (_mp3, _ogg) else _HEAD_BYTES)
    return walk(data, size)


def _chunks(data: bytes, order: str):
    """Name, place of the content, and size of each chunk of a RIFF or IFF file."""
    at = 12
    while at + 8 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8], order)
        yield data[at : at + 4], at + 8, size
        at += 8 + size + size % 2


def _wav(data: bytes, size: int) -> list[list]:
    notes: list[list] = []
    if data[:4] != b"RIFF":  # an RF64 has its sizes elsewhere
        return notes
    for name, at, claimed in _chunks(data, "little"):
        if name == b"fmt " and _contradicts(data[at : at + 16]):
            notes.append(["contradicts"])
        if name == b"data":
            held = size - at
            if claimed >= 2**32 - 2**16 or (not claimed and held):
                notes.append(["unknown_length"])
            elif claimed > held:
                notes.append(["cut", claimed, held])
            break
    return notes


def _contradicts(fmt: bytes) -> bool:
    """Whether plain samples have a width that their frames do not fit."""
    tag, channels = int.from_bytes(fmt[:2], "little"), int.from_bytes(fmt[2:4], "little")
    align, bits = int.from_bytes(fmt[12:14], "little"), int.from_bytes(fmt[14:16], "little")
    return tag in (1, 3) and channels > 0 and (bits < 8 or not bits <= 8 * align // channels <= 64)


def _aiff(data: bytes, size: int) -> list[list]:
    wanted = 0
    for name, at, claimed in _chunks(data, "big"):
        if name == b"COMM":
            numbers = (data[at : at + 2], data[at + 2 : at + 6], data[at + 6 : at + 8])
            channels, frames, bits = (int.from_bytes(n, "big") for n in numbers)
            wanted = channels * frames * ((bits + 7) // 8) if data[8:12] == b"AIFF" else 0
        if name == b"SSND":
            held = size - at - 8
            claimed = max(claimed - 8, wanted)
            return [["cut", claimed, held]] if claimed > held else []
    return []


def _flac(data: bytes, size: int) -> list[list]:
    # Without its head a FLAC can still be played, from the next frame on.
    return [] if data[:4] == b"fLaC" or data[:3] == b"ID3" else [["lead"]]


def _mp3(data: bytes, size: int) -> list[list]:
    """Walk the frames of MPEG audio."""
    start = _after_id3(data)
    at, searches = _next_frame(data, start, _MOST_SEARCHES)
    if at < 0:
        return []
    notes: list[list] = [["lead"]] if data[start:at].strip(b"\0") else []
    first, claimed = _frame(data, at)[1], _xing(data, at)
    frames = holes = 0
    changed = cut = False
    while at + 4 <= len(data):
        length, kind = _frame(data, at)
        if not length:
            if data[at : at + 3] in (b"TAG", b"APE", b"LYR"):
                break
            at, searches = _next_frame(data, at, searches)
            if at < 0:
                break
            holes += 1
            continue
        frames, changed = frames + 1, changed or kind != first
        cut = at + length > size
        at += length
    if holes:
        notes.append(["holes", holes])
    if changed:
        notes.append(["changes"])
    if cut or (size <= len(data) and claimed > frames):
        notes.append(["cut_end"])
    return notes


def _after_id3(data: bytes) -> int:
    if data[:3] != b"ID3" or len(data) < 10:
        return 0
    size = 0
    for byte in data[6:10]:
        size = size << 7 | byte & 127
    return 10 + size


def _frame(data: bytes, at: int) -> tuple[int, tuple]:
    """Length in bytes, 0 where none begins here, and (rate, mono) of a frame of MPEG audio."""
    head = int.from_bytes(data[at : at + 4], "big")
    version, layer = head >> 19 & 3, 4 - (head >> 17 & 3)
    kbps, rate = head >> 12 & 15, head >> 10 & 3
    if head >> 21 != 0x7FF or version == 1 or layer == 4 or kbps in (0, 15) or rate == 3:
        return 0, ()
    sr = _RATES[rate] >> {3: 0, 2: 1, 0: 2}[version]
    bits = 1000 * _KBPS[version == 3, layer][kbps]
    padding = head >> 9 & 1
    if layer == 1:
        length = 4 * (12 * bits // sr + padding)
    else:
        length = (72 if layer == 3 and version != 3 else 144) * bits // sr + padding
    return length, (sr, head >> 6 & 3 == 3)


def _next_frame(data: bytes, at: int, searches: int) -> tuple[int, int]:
    """Where the next two frames in a row begin, -1 for nowhere, and the searches still allowed."""
    while searches and (at := data.find(b"\xff", at)) >= 0:
        searches -= 1
        length, _ = _frame(data, at)
        if length and (_frame(data, at + length)[0] or at + length >= len(data)):
            return at, searches
        at += 1
    return -1, searches


def _xing(data: bytes, at: int) -> int:
    """Frames that the first frame announces, itself counted; 0 where it announces none."""
    head = data[at : at + 64]
    mark = max(head.find(b"Xing"), head.find(b"Info"))
    if mark < 0 or not int.from_bytes(head[mark + 4 : mark + 8], "big") & 1:
        return 0
    return int.from_bytes(head[mark + 8 : mark + 12], "big")


def _ogg(data: bytes, size: int) -> list[list]:
    """Walk the pages of an Ogg file."""
    at = holes = streams = 0
    kinds, flags, cut, negative = set(), 0, False, False
    while at + 27 <= len(data):
        if data[at : at + 4] != b"OggS":
            at = data.find(b"OggS", at + 1)
            if at < 0:
                break
            holes += 1
            continue
        end = at + 27 + data[at + 26]
        body = end + sum(data[at + 27 : end])
        flags = data[at + 5]
        if body > len(data):
            cut = True
            break
        granule = int.from_bytes(data[at + 6 : at + 14], "little", signed=True)
        negative = granule < -1
        if flags & 2:
            streams += 1
            kinds.add(_kind(data[end:body]))
        holes += _checksum(data, at, body) != int.from_bytes(data[at + 22 : at + 26], "little")
        at = body
    whole = size <= len(data)
    notes: list[list] = [["holes", holes]] if holes else []
    if len(kinds) > 1:
        notes.append(["changes"])
    elif streams > 1:
        notes.append(["chained", streams])
    if negative:
        notes.append(["no_length"])
    if whole and (cut or not flags & 4):
        notes.append(["cut_end"])
    return notes


def _kind(head: bytes) -> tuple:
    """Rate and channels of a stream, from its first page."""
    if head[:7] == b"\1vorbis":
        return int.from_bytes(head[12:16], "little"), head[11]
    return (48_000, head[9]) if head[:8] == b"OpusHead" and len(head) > 9 else (head[:8],)


def _checksum(data: bytes, at: int, end: int) -> int:
    """Ogg's CRC of a page, which is zlib's with the bits in the other order."""
    page = data[at : at + 22] + bytes(4) + data[at + 26 : end]
    found = ~zlib.crc32(page.translate(_REVERSED), 0xFFFFFFFF) & 0xFFFFFFFF
    return int.from_bytes(found.to_bytes(4, "little").translate(_REVERSED), "big")
