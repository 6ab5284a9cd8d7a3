"""What can go wrong, as one small tree.

* VoiceError               shown to the user as it stands
  - ParameterError         a setting that cannot work (also a ValueError)
  - AudioReadError         a file that cannot be decoded as audio
    - AudioLimitError      a file longer or larger than the limits allow
  - AudioTooShortError     a clip shorter than a measurement needs
  - DatasetError           files or tables of a data set missing or malformed
  - StoreError             a workspace that is damaged, in use, or of another version
  - ModelError             a model file that is damaged, of another version, or not to be trusted
  - MissingPackageError    an optional package is not installed (also an ImportError)

Every message is one sentence or two: what is wrong, where, and what to do.
"""


class VoiceError(Exception):
    """Root of every error we raise on purpose."""


class ParameterError(VoiceError, ValueError):
    """A setting cannot work for this signal."""


class AudioReadError(VoiceError):
    """A file exists but cannot be decoded as audio."""


class AudioLimitError(AudioReadError):
    """A file holds more audio than the limits allow to be opened at once."""


class AudioTooShortError(VoiceError):
    """A clip is shorter than a measurement needs."""


class DatasetError(VoiceError):
    """Files or tables of a data set are missing or malformed."""


class StoreError(VoiceError):
    """A workspace is damaged, in use, of another version, or may not be written."""


class ModelError(VoiceError):
    """A model file is damaged, of another version or feature set, or not to be trusted."""


class MissingPackageError(VoiceError, ImportError):
    """An optional package is not installed."""
