"""A model file of the visitor's own, for the pages that ask models."""

from pathlib import Path
import shutil
from tempfile import mkdtemp

import streamlit as st

from core.errors import VoiceError
from core.safe_text import filename
from pages.shared import cache_predict, models, session
from pages.shared.errors import sentence
from pages.shared.uploads import uploader

_KEPT, _REFUSED = "model_file_kept", "model_file_refused"


def own_model(key: str) -> Path | None:
    """Ask for a model file; None while there is none. Both pages open the one that came last."""
    uploader(
        "Model file",
        key,
        keep=_keep,
        let_go=_let_go,
        help="A file downloaded from Train. What it holds is checked before anything of it runs.",
    )
    refused = st.session_state.pop(_REFUSED, "")
    if refused:
        st.error(refused, icon=":material/error:")
    kept = st.session_state.get(_KEPT, "")
    return Path(kept) if kept and Path(kept).is_file() else None


def _keep(name: str, content: bytes) -> str | None:
    """Take a model if it can be trusted; else say why, and the one before stays."""
    folder = session.mine().folder / "models"
    folder.mkdir(exist_ok=True)
    path = Path(mkdtemp(dir=folder), filename(name, "model"))
    path.write_bytes(content)
    try:
        cache_predict.loaded(str(path), models.stamp(path))
    except VoiceError as err:
        shutil.rmtree(path.parent)
        st.session_state[_REFUSED] = sentence(err)
        return None
    st.session_state[_KEPT] = str(path)
    return str(path)


def _let_go(path: str) -> None:
    shutil.rmtree(Path(path).parent, ignore_errors=True)
    if st.session_state.get(_KEPT) == path:
        del st.session_state[_KEPT]
