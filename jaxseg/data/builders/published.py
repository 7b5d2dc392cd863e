"""Published data sets in their published layout, checked once and stored as records.

`jaxseg.data.published_files` finds the files; `folder` checks and stores them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jaxseg.config import DataConfig
from jaxseg.data.builders import folder
from jaxseg.data.coding import Coding
from jaxseg.data.labels import IGNORE
from jaxseg.data.pairing import Pair
from jaxseg.data.published_files import find_root, find_source
from jaxseg.data.survey import FileSurvey
from jaxseg.errors import listed


class Published(folder.Folder, skip_registration=True):
    """`Folder`, with a remark on colours of no class; its name is that of the set."""

    def _remark(self, pairs: Sequence[Pair], files: Sequence[FileSurvey]) -> str:
        assert isinstance(self._coding, Coding)
        if not self._coding.labels.unknown_is_ignored:
            return ""
        strange = {Path(str(f.path)).name: _strange(f, self._coding) for f in files}
        names = [name for name, pixels in strange.items() if pixels]
        if not names:
            return ""
        return (
            f"{sum(strange.values()):,} of the ignored pixels have colours of no class,"
            f" in {listed(names)}"
        )


def _strange(file: FileSurvey, coding: Coding) -> int:
    """Count the ignored pixels of a mask that are not black."""
    colours = file.by_colour()
    ignored = coding.labels.classes_of_colours(colours.values) == IGNORE
    return int(colours.pixels[ignored & (colours.values != 0)].sum())


def prepare(config: DataConfig) -> folder.Prepared:
    """Check and store a published data set unless it is stored already.

    Args:
      config: `name` in `PUBLISHED`, and `root`, the folder that the publisher's archive
        unpacks to.

    Returns:
      Its notes say where the number of images is not the published one, and which
      images lie in two splits; those are the publisher's, so that it is no error.

    Raises:
      UserError: the folder is missing or laid out otherwise, or a file is wrong.
    """
    source = find_source(config, find_root(config))
    name = config.name
    builder = type(name, (Published,), {"name": name}, skip_registration=True)
    return folder.prepare_source(builder, source, config)
