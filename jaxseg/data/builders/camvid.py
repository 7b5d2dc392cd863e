"""CamVid as records: the files that `camvid_files` finds, stored as `folder` does."""

from __future__ import annotations

from jaxseg.config import DataConfig
from jaxseg.data.builders import folder
from jaxseg.data.camvid_files import find_root, find_source


class Camvid(folder.Folder, skip_registration=True):
    """`Folder` under its own name in the cache."""


def prepare(config: DataConfig) -> folder.Prepared:
    """Check and store CamVid unless it is stored already.

    Args:
      config: `root` as in the SegNet tutorial (train, trainannot, val, valannot, test,
        testannot, perhaps train.txt, ...) or any layout that `folder` takes.

    Raises:
      UserError: the folder is missing, a file is wrong, or an image is in two splits.
    """
    source = find_source(config, find_root(config))
    return folder.prepare_source(Camvid, source, config)
