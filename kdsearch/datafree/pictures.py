"""What a generator makes, to look at: images sorted by what the teacher calls them, as one PNG."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw

if TYPE_CHECKING:
    from torch import Tensor

COLUMNS = 10
ROWS = 2  # images of a class in a block
_SIDE, _MOST = 56, 112  # pixels of a side: small images are enlarged to about the one, large ones reduced to the other
_GAP = 4
_LINE = 12  # pixels of a line of text
_PAPER, _INK, _ABSENT = (255, 255, 255), (40, 40, 40), (235, 200, 200)


@dataclass(frozen=True, slots=True)
class Block:
    """Images of one kind, in the order in which they are shown, and what the teacher answered.

    N: images, C: channels or classes.
    """

    title: str
    pixels_NCHW: Tensor
    logits_NC: Tensor


def draw_grid(blocks: Sequence[Block], classes: Sequence[str]) -> bytes:
    """A PNG with a column a class and two rows a block; under each image the teacher's confidence in its class.

    Ten classes are shown, spread over all of them where there are more. Pixels are drawn as they are: contrast that was
    stretched would hide that a generator goes grey. A class without an image has an empty cell.
    """
    shown = spread(len(classes))
    width, height = _drawn_size(*blocks[0].pixels_NCHW.shape[-2:])
    cell = width + _GAP, height + _LINE + _GAP
    deep = _LINE + ROWS * cell[1]
    sheet = Image.new("RGB", (_GAP + len(shown) * cell[0], _LINE + _GAP + len(blocks) * (deep + _GAP)), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for column, number in enumerate(shown):
        draw.text((_GAP + column * cell[0], 1), _plain(classes[number], width), fill=_INK)
    for at, block in enumerate(blocks):
        top = _LINE + _GAP + at * (deep + _GAP)
        draw.text((_GAP, top), _plain(block.title, sheet.width), fill=_INK)
        for column, number in enumerate(shown):
            cells = [(_GAP + column * cell[0], top + _LINE + row * cell[1]) for row in range(ROWS)]
            _draw_class(sheet, block, number, cells, (width, height))
    return _to_png(sheet)


def spread(count: int) -> list[int]:
    """The numbers of at most ten classes, evenly spread over all."""
    if count <= COLUMNS:
        return [*range(count)]
    return [round(at * (count - 1) / (COLUMNS - 1)) for at in range(COLUMNS)]


def _drawn_size(height: int, width: int) -> tuple[int, int]:
    """How wide and high an image is drawn."""
    longer = max(height, width)
    scale = max(1, _SIDE // longer) if longer <= _MOST else _MOST / longer
    return max(1, round(scale * width)), max(1, round(scale * height))


def _draw_class(
    sheet: Image.Image, block: Block, number: int, cells: Sequence[tuple[int, int]], size: tuple[int, int]
) -> None:
    draw = ImageDraw.Draw(sheet)
    found = (block.logits_NC.argmax(1) == number).nonzero().flatten().tolist()
    for row, (left, top) in enumerate(cells):
        if row >= len(found):
            draw.rectangle((left, top, left + size[0] - 1, top + size[1] - 1), fill=_ABSENT)
            continue
        confidence = float(block.logits_NC[found[row]].float().softmax(0)[number])
        sheet.paste(_to_image(block.pixels_NCHW[found[row]]).resize(size, Image.Resampling.NEAREST), (left, top))
        draw.text((left, top + size[1]), f"{confidence:.0%}", fill=_INK)


def _to_image(pixels_CHW: Tensor) -> Image.Image:
    if len(pixels_CHW) == 3:
        return Image.fromarray(pixels_CHW.permute(1, 2, 0).contiguous().cpu().numpy())
    return Image.fromarray(pixels_CHW[0].contiguous().cpu().numpy())


def _plain(words: str, width: int) -> str:
    """As much as fits, in letters that every font has."""
    return words.encode("ascii", "replace").decode()[: max(1, width // 6)]


def _to_png(sheet: Image.Image) -> bytes:
    content = io.BytesIO()
    sheet.save(content, "PNG", optimize=True)
    return content.getvalue()
