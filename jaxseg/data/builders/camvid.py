"""CamVid as records: the files that `camvid_files` finds, stored as `folder` does."""

from __future__ import annotations

from jaxseg.config import DataConfig
from jaxseg.data.builders import folder
from jaxseg.data.camvid_files import LABELS, camvid_root, find_layout, interpreted

__all__ = ["LABELS", "Camvid", "prepare"]


class Camvid(folder.Folder, skip_registration=True):
    """`Folder` under its own name in the cache."""


def prepare(config: DataConfig) -> folder.Prepared:
    """Check and store CamVid unless that was done.

    Args:
      config: `root` as in the SegNet tutorial (train, trainannot, val, valannot, test,
        testannot, perhaps train.txt, ...) or any layout that `folder` takes.

    Raises:
      UserError: the folder is missing, a file is wrong, or an image lies in two splits.
    """
    root = camvid_root(config)
    source = interpreted(config, root, find_layout(config, root))
    return folder.prepare_source(Camvid, source, config)
