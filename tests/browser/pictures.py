"""The pictures of docs/operating.md, out of a run with `--screenshots DIR`: `python -m tests.browser.pictures DIR`.

Each picture that the page names is taken from the folder, cut to a length, given a palette of 256 colours and packed hard.
A picture over 80 KB, or one that is not there, is an error.
"""

from __future__ import annotations

import base64
import re
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
from playwright.sync_api import Page, sync_playwright

from tests.browser.chromium import launch
from tests.browser.installation import BASE

PAGE = BASE / "docs" / "operating.md"
FOLDER = BASE / "docs" / "pictures" / "operating"
LARGEST_BYTES = 80_000
MOST_ROWS = 1_500
SIGNATURE = b"\x89PNG\r\n\x1a\n"
_READ = """async address => {
  const image = new Image();
  image.src = address;
  await image.decode();
  const {naturalWidth: width, naturalHeight: height} = image;
  const canvas = Object.assign(document.createElement('canvas'), {width, height});
  const context = canvas.getContext('2d');
  context.drawImage(image, 0, 0);
  const reader = new FileReader();
  const done = new Promise(resolve => { reader.onload = resolve; });
  reader.readAsDataURL(new Blob([context.getImageData(0, 0, width, height).data]));
  await done;
  return {width, height, pixels: reader.result};
}"""
Pixels = npt.NDArray[np.uint8]


def read(page: Page, picture: Path) -> Pixels:
    """Return rows × columns × 3 of a PNG; the browser that took it reads it too."""
    address = "data:image/png;base64," + base64.b64encode(picture.read_bytes()).decode()
    said = page.evaluate(_READ, address)
    raw = np.frombuffer(base64.b64decode(said["pixels"].partition(",")[2]), np.uint8)
    return raw.reshape(said["height"], said["width"], 4)[:, :, :3]


def write(pixels: Pixels) -> bytes:
    """Return a PNG with a palette: the 256 commonest colours, every other one as the nearest of them."""
    whole = (pixels.astype(np.int32) * (1 << 16, 1 << 8, 1)).sum(axis=2).reshape(-1)
    found, inverse, counts = np.unique(whole, return_inverse=True, return_counts=True)
    colours = np.stack([found >> 16, found >> 8 & 255, found & 255], axis=1).astype(np.uint8)
    kept = colours[np.argsort(-counts, kind="stable")[:256]]
    far = np.abs(colours[:, None, :].astype(np.int16) - kept[None, :, :]).sum(axis=2)
    height, width = pixels.shape[:2]
    places = far.argmin(axis=1).astype(np.uint8)[inverse.reshape(-1)].reshape(height, width)
    lines = np.hstack([np.zeros((height, 1), np.uint8), places]).tobytes()
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    parts = ((b"IHDR", header), (b"PLTE", kept.tobytes()), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))
    return SIGNATURE + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in parts
    )


def named() -> list[str]:
    """Return the pictures that the page shows."""
    return sorted(set(re.findall(r"\(pictures/operating/([a-z-]+\.png)\)", PAGE.read_text(encoding="utf-8"))))


def main(source: Path) -> None:
    """Make the folder of pictures anew."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in FOLDER.glob("*.png"):
        old.unlink()
    with sync_playwright() as playwright:
        page = launch(playwright).new_page()
        for name in named():
            content = write(read(page, source / name)[:MOST_ROWS])
            if len(content) > LARGEST_BYTES:
                raise ValueError(f"{name} has {len(content):,} bytes, more than {LARGEST_BYTES:,}")
            (FOLDER / name).write_bytes(content)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
