"""Clips of sound to be played in a notebook.

Introduced in chapter 21.
"""

import base64
import html
import io

import numpy as np
from IPython.display import HTML, display
from scipy.io import wavfile

from aelib.data import RATE
from aelib.data.sound import check_wave

AT_MOST = 8  # clips in one call: a second of 16 bits takes 43 KB of a notebook


def play(clips: dict[str, np.ndarray]) -> None:
    """Show a player for each of the named clips, `(samples,)` in [−1, 1], 16,000 a second.

    All are brought to the same loudest sample. Raises `ValueError` for more than eight, and as `check_wave` does.
    """
    if not 0 < len(clips) <= AT_MOST:
        raise ValueError(f"found {len(clips)} clips: expected 1 to {AT_MOST}, since each adds 43 KB to the notebook")
    rows = []
    for name, wave in clips.items():
        wave = check_wave(0.9 * np.asarray(wave) / max(np.abs(wave).max(), 1e-9), RATE)
        file = io.BytesIO()
        wavfile.write(file, RATE, np.int16(32_767 * wave))
        sound, name = base64.b64encode(file.getvalue()).decode(), html.escape(name)
        player = f'<audio controls aria-label="{name}" src="data:audio/wav;base64,{sound}"></audio>'
        rows.append(f"<tr><td>{name}</td><td>{player}</td></tr>")
    display(HTML(f"<table>{''.join(rows)}</table>", metadata={"alt": "Players: " + "; ".join(clips)}))
