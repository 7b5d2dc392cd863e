"""Published data sets in their published layouts, by name."""

from jaxseg.data.published.ade20k import ADE20K
from jaxseg.data.published.archive import PublishedSet
from jaxseg.data.published.coco_stuff import COCO_STUFF
from jaxseg.data.published.loveda import LOVEDA
from jaxseg.data.published.pascal_context import CONTEXT_59, CONTEXT_60
from jaxseg.data.published.potsdam import POTSDAM
from jaxseg.data.published.vistas import VISTAS, VISTAS_2
from jaxseg.data.published.voc import VOC2012, VOC2012_AUG

PUBLISHED: dict[str, PublishedSet] = {
    "voc2012": VOC2012,
    "voc2012_aug": VOC2012_AUG,
    "ade20k": ADE20K,
    "coco_stuff": COCO_STUFF,
    "pascal_context_59": CONTEXT_59,
    "pascal_context_60": CONTEXT_60,
    "mapillary_vistas": VISTAS,
    "mapillary_vistas_2": VISTAS_2,
    "loveda": LOVEDA,
    "potsdam": POTSDAM,
}
"""Name -> data set.  To add one, write a module and add it here."""
