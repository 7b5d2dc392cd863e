"""Bad values of settings, in a `config.json` or on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from bad_input import Case, Place, train


def content(name: str, text: str | bytes, said: str) -> Case:
    """A config.json of some content."""

    def make(place: Place) -> list[str]:
        place.write("bad.json", text)
        return train("bad.json")

    return Case(name, make, rf"bad\.json: .*{said}")


def changed(name: str, change: Callable[[str], str | bytes], said: str) -> Case:
    """The sound config.json, its text changed."""

    def make(place: Place) -> list[str]:
        text = change(json.dumps(place.config(), indent=2))
        place.write("bad.json", text)
        return train("bad.json")

    return Case(name, make, rf"bad\.json: .*{said}")


def value(name: str, wrong: Any, said: str = "") -> Case:
    """The sound config.json with a value, dotted name, that is of another type."""

    def make(place: Place) -> list[str]:
        config = place.config()
        *sections, field = name.split(".")
        inner = config
        for section in sections:
            inner = inner[section]
        inner[field] = wrong
        place.write("bad.json", json.dumps(config))
        return train("bad.json")

    short = json.dumps(wrong)
    short = short if len(short) < 40 else short[:30] + "..."
    return Case(f"{name} {short}", make, said or rf"bad\.json: .*{name}")


def override(*words: str, said: str = "", name: str = "") -> Case:
    """An override that does not fit."""
    short = " ".join(words)
    short = short if len(short) < 60 else short[:50] + "..."
    said = said or words[0].removeprefix("--")
    return Case(
        name or short,
        lambda place: train(place.experiment(), *words),
        f"error: .*{said}",
    )


STRINGS = (
    "name",
    "data.name",
    "data.root",
    "data.cache",
    "data.train_split",
    "data.eval_split",
    "model.head",
    "model.backbone",
    "model.preset",
    "model.weights",
    "model.freeze",
    "model.upsampling",
    "model.dtype",
    "augment.preset",
    "optimizer.name",
    "optimizer.schedule",
    "train.loss",
)
INTEGERS = (
    "seed",
    "data.num_classes",
    "data.ignore_value",
    "data.threads",
    "model.max_channels",
    "model.output_stride",
    "model.channels",
    "train.steps",
    "train.batch_size",
    "train.accumulate",
    "train.log_every",
    "train.eval_every",
    "train.checkpoint_every",
    "evaluation.batch_size",
    "evaluation.crf",
    "evaluation.crf_stride",
    "evaluation.window",
    "evaluation.size_multiple",
)
FLOATS = (
    "augment.max_class_share",
    "augment.flip",
    "augment.rotation",
    "augment.elastic",
    "augment.strength",
    "model.width",
    "model.dropout",
    "optimizer.learning_rate",
    "optimizer.momentum",
    "optimizer.weight_decay",
    "optimizer.power",
    "optimizer.warmup_steps",
    "optimizer.warmup_ratio",
    "optimizer.final_learning_rate",
    "optimizer.backbone_factor",
    "optimizer.clip_norm",
    "train.label_smoothing",
    "train.border_weight",
    "train.auxiliary_weight",
    "train.ema",
    "evaluation.overlap",
)
SWITCHES = (
    "data.nearest_colour",
    "augment.photometric",
    "model.bgr",
    "model.uniform_dilation",
    "model.separable",
    "model.auxiliary",
    "model.remat",
    "evaluation.flip",
    "evaluation.turns",
)
LISTS = (
    "data.class_names",
    "data.palette",
    "data.mask_values",
    "data.mask_map",
    "data.ignore_values",
    "augment.crop",
    "augment.scale",
    "model.multi_grid",
    "model.rates",
    "model.mean",
    "model.std",
    "train.class_weights",
    "evaluation.scales",
)
SECTIONS = ("data", "augment", "model", "optimizer", "train", "evaluation")
INFINITE = float("inf")

FILES = [
    content("an empty file", "", ""),
    content("only spaces", "  \n ", ""),
    content("no JSON", "get_config()", ""),
    content("half a JSON", '{"data": {', ""),
    content("a list", "[]", "object"),
    content("a number", "7", "object"),
    content("null", "null", "object"),
    content("a word", '"train"', "object"),
    content("bytes", bytes(range(256)), ""),
    content("UTF-16 text", '{"name": "x"}'.encode("utf-16"), ""),
    content("a NUL", b'{"name": "x"}\0', ""),
    content("two objects", "{}{}", ""),
    content("a comment", "{} // so", ""),
    content("single quotes", "{'name': 'x'}", ""),
    content("a comma too many", '{"name": "x",}', ""),
    content("lists without end", "[" * 100_000, ""),
    content("objects without end", '{"data":' * 100_000, ""),
    content("a deep value", '{"name":' + "[" * 900 + "]" * 900 + "}", "name"),
    content("a number of 5000 digits", '{"seed": ' + "9" * 5000 + "}", ""),
    content("another program's", '{"model_type": "bert"}', "model_type"),
    content("a long name", json.dumps({"x" * 100_000: 1}), "xxx"),
    content("a name of controls", '{"a\\u0000\\u001bb": 1}', r"\\x1b"),
    content("half a surrogate", '{"\\ud800": 1}', "ud800"),
    changed("cut in the middle", lambda text: text[: len(text) // 2], ""),
    changed("cut at the end", lambda text: text[:-1], ""),
    changed("a name twice", lambda text: '{"seed": 1,' + text[1:], "twice"),
    changed("its quotes lost", lambda text: text.replace('"', ""), ""),
    changed("an unknown section", lambda text: text.replace("data", "date"), "date"),
    changed("an unknown name", lambda text: text.replace("crop", "crap"), "crap"),
    changed("UTF-8 cut", lambda text: text.encode()[:-2] + b'"\xc3"}', ""),
]
VALUES = [
    *(value(name, wrong) for name in STRINGS for wrong in (7, ["a"])),
    *(value(name, wrong) for name in INTEGERS for wrong in ("7", 1.5)),
    *(value(name, wrong) for name in FLOATS for wrong in ("0.5", INFINITE)),
    *(value(name, "yes") for name in SWITCHES),
    *(value(name, wrong) for name in LISTS for wrong in (7, [[[1]]])),
    *(value(name, wrong) for name in SECTIONS for wrong in (None, [])),
    value("train.steps", None),
    value("train.steps", True),
    value("train.steps", {"a": 1}),
    value("train.steps", float("nan")),
    value("train.steps", -1, "train.steps -1"),
    value("data.root", None),
    value("augment.photometric", 1),
    value("augment.crop", None),
    value("augment.flip", True),
    value("augment.flip", float("nan")),
    value("augment.crop", [64]),
    value("augment.crop", [64, 64, 64]),
    value("augment.crop", [64.5, 64.5]),
    value("augment.crop", {"0": 64}),
    value("model.mean", [0.5, 0.5]),
    value("model.std", [0.5, 0.5, "x"]),
    value("data.palette", [[1, 2]]),
    value("data.palette", [1, 2, 3]),
    value("data.class_names", [1, 2, 3]),
    value("data.class_names", "abc"),
    value("evaluation.scales", [1.0, None]),
    value("model.rates", [1, [2]]),
    value("name", "a\0b", r"bad\.json: name"),
    value("name", "/elsewhere", r"bad\.json: name"),
    value("data.root", "a\0b", r"a\\x00b: not a usable path"),
    value("data.cache", "a\0b", r"a\\x00b: not a usable path"),
    value("data.name", "a\0b", r"unknown data set 'a\\x00b'"),
    value("model.weights", "a\0b", r"a\\x00b: no name of a file"),
    value("model.weights", "package:a\0b", r"package:a\\x00b: not installed"),
]
SETTINGS = FILES + VALUES

OVERRIDES = [
    override("--train.stepz", "7", said="did you mean --train.steps"),
    override("--trian.steps=7", said="did you mean --train.steps"),
    override("--steps", "7", said="unknown override --steps"),
    override("--train", "7", said="unknown override --train"),
    override("--train.steps.more", "7", said="unknown override"),
    override("--Train.Steps", "7", said="unknown override --Train.Steps"),
    override("--", said="--"),
    override("---train.steps", "7", said="unknown override"),
    override("--=7", said="unknown override"),
    override("-s", "7", said="unexpected '-s'"),
    override("7", said="7"),
    override("", said="unexpected ''", name="an empty word"),
    override("train.steps=7", said="train.steps=7"),
    override("--train.steps", said="--train.steps"),
    override("--train.steps=", said="train.steps: must be a valid integer"),
    override("--train.steps", "many"),
    override("--train.steps", "1.5"),
    override("--train.steps", "1e3"),
    override("--train.steps", "--seed", "1"),
    override("--train.steps", "1", "2", said="unexpected '2'"),
    override("--train.steps", "0", said="train.steps 0"),
    override("--train.steps", "-5", said="train.steps"),
    override("--train.steps", "9" * 5000),
    override("--train.steps", "\udcff", name="a value that is no text"),
    override("--" + "x" * 10_000, "7", said="unknown override"),
    override("--config_file", "x", said="unknown override --config_file"),
    override("--train.log_every", "0", said="train.log_every 0"),
    override("--train.eval_every", "-1"),
    override("--train.checkpoint_every", "0"),
    override("--train.batch_size", "0"),
    override("--train.batch_size", "-8"),
    override(
        *("--train.batch_size", "1000000", "--augment.crop", "8192", "8192"),
        said="a batch of 1000000 images of 8192x8192 takes 244.1 TiB, and .* are free",
    ),
    override("--train.accumulate", "0"),
    override("--train.accumulate", "3", said="3 micro-batch"),
    override("--train.ema", "1"),
    override("--train.ema", "-0.1"),
    override("--train.ema", "nan"),
    override("--train.loss", "cros_entropy", said="'cross_entropy'"),
    override("--train.loss", "", said="unknown loss ''"),
    override("--train.loss", "cross_entropy +", said="give a sum of names"),
    override("--train.loss", "cross_entropy + 0*dice", said="weight 0; a weight is"),
    override("--train.loss", "dice + dicee", said="unknown loss 'dicee'"),
    override("--train.loss", "dice(weights=(1.0, 2.0))", said="2 values for 3 classes"),
    override("--train.loss", "binary_cross_entropy", said="--train.loss cross_entropy"),
    override("--train.class_balance", "inverse2", said="Did you mean 'inverse'"),
    override("--train.class_balance", "effective(beta=1)", said="must be less than 1"),
    override("--train.class_weights", "1", "2", said="2 values for 3 classes"),
    override("--train.class_weights", "1", "1", "-1"),
    override("--train.class_weights", "1", "1", "nan"),
    override("--train.class_weights", "0", "0", "0"),
    override("--train.label_smoothing", "1"),
    override("--train.label_smoothing", "-1"),
    override("--train.label_smoothing", "nan"),
    override("--train.border_weight", "-1"),
    override("--train.border_weight", "nan"),
    override("--train.auxiliary_weight", "inf"),
    override("--data.name", "foldr", said="'folder'"),
    override("--data.name", "", said="unknown data set ''"),
    override("--data.name", "../folder", said="unknown data set"),
    override("--data.root", "", said="--data.root FOLDER"),
    override("--data.root", "nowhere", said="nowhere"),
    override("--data.root", "sound.py", said="sound.py"),
    override("--data.root", "x" * 5000, said="xxx", name="a data.root of 5000 letters"),
    override("--data.root", "~nobody9/x", said="nobody9"),
    override("--data.cache", "/dev/null", said="/dev/null"),
    override("--data.cache", "~nobody9/x", said="nobody9"),
    override("--data.train_split", "trian", said="'train'"),
    override("--data.train_split", "", said="unknown split"),
    override("--data.train_split", "train[:50%]", said="unknown split"),
    override("--data.eval_split", "../val", said="unknown split"),
    override("--data.num_classes", "-1"),
    override("--data.num_classes", "2", said="mask value 2"),
    override("--data.num_classes", "256", said="num_classes 256|256 classes"),
    override("--data.num_classes", "99999999999", said="99999999999"),
    override("--data.class_names", "a", "b", said="mask value 2"),
    override("--data.class_names", "a", "a", "a", said="class_names|share"),
    override("--data.mask_values", "0", "1", "1", said="share"),
    override("--data.mask_values", "0", "1", "-2", said="-2"),
    override("--data.mask_values", "0", "1", "70000", said="70000"),
    override("--data.palette", "0", "0", said="--data.palette 0 0"),
    override("--data.palette", *"000111", said="mask colour|coloured|palette"),
    override("--data.palette", *["0", "0", "0", "9", "9", "999"], said="999"),
    override(
        "--data.palette", *["0", "0", "0", "9", "9", "-9"], said="-9|not understood"
    ),
    override("--data.ignore_value", "1", said="ignore_values 1 --data.mask_values 0 2"),
    override("--data.ignore_values", "0", "1.5", said="ignore_values 0 1.5"),
    override("--data.ignore_values", "70000", said="ignore_values"),
    override("--data.mask_map", "0", said="VALUE:CLASS"),
    override("--data.mask_map", "0:0", "1:2", "2:3", said="no value has class 1"),
    override("--data.nearest_colour", "True", said="takes data.palette"),
    override("--data.threads", "-4"),
    override("--data.threads", "100000000"),
    override("--augment.crop", "64", said="--augment.crop: expected 2 arguments"),
    override("--augment.crop", "0", "0"),
    override("--augment.crop", "-64", "-64"),
    override("--augment.crop", "16", "64"),
    override("--augment.crop", "1000000", "1000000"),
    override("--augment.scale", "0", "0"),
    override("--augment.scale", "2", "1", said="give the smaller factor first"),
    override("--augment.scale", "-1", "1"),
    override("--augment.scale", "nan", "nan"),
    override("--augment.scale", "1", "inf"),
    override("--augment.flip", "2"),
    override("--augment.flip", "-1"),
    override("--augment.rotation", "inf"),
    override("--augment.rotation", "-10"),
    override("--augment.elastic", "-1"),
    override("--augment.elastic", "nan"),
    override("--augment.max_class_share", "0"),
    override("--augment.max_class_share", "nan"),
    override("--augment.photometric", "perhaps"),
    override("--augment.transforms", "gauss_blur", said="Did you mean 'gaussian_blur'"),
    override("--augment.transforms", "gamma(gamma=(2, 1))", said="must come first"),
    override("--augment.mix", "mixup", said="unknown augment.mix 'mixup'"),
    override("--augment.mix", "cutmix(probability=2)", said="probability of augment"),
    override(
        "--augment.mix",
        "copy_paste(threshold=0.000001)",
        said="no class is so rare, the rarest has 0.3",
    ),
    override("--augment.mix", "copy_paste(classes=(9,))", said="has class 9, of 3"),
    override("--augment.preset", "weak", said="'light', 'medium' or 'strong'"),
    override("--augment.preset", "light", "--augment.strength", "3", said="strength 3"),
    override("--augment.strength", "0.5", said="is that of a preset, and none is na"),
    override("--model.head", "unett", said="'unet'"),
    override("--model.head", "unet3d", "--model.backbone", "None", said="volumes"),
    override("--model.backbone", "resnett18", said="'resnet18'"),
    override("--model.backbone", "None", "--model.head", "", said="unknown head ''"),
    override("--model.preset", "smpp", said="'smp'"),
    override("--model.preset", "smp", said="preset"),
    override("--model.freeze", "all", said="freeze|frozen|'all'"),
    override("--model.dtype", "float8", said="float8"),
    override("--model.dtype", "float16", said="float16"),
    override("--model.width", "0"),
    override("--model.width", "-1"),
    override("--model.width", "nan"),
    override("--model.width", "1e9"),
    override("--model.max_channels", "0"),
    override("--model.max_channels", "-8"),
    override("--model.output_stride", "7", said="output.stride"),
    override("--model.output_stride", "0", said="output.stride"),
    override("--model.channels", "0", said="channels"),
    override("--model.upsampling", "bilinar", said="upsampling|bilinear"),
    override("--model.rates", "1", "2", said="no option rates"),
    override("--model.multi_grid", "0", said="multi_grid"),
    override("--model.separable", "True", said="no option separable"),
    override("--model.dropout", "1.5", said="dropout"),
    override("--model.mean", "0.5", "0.5"),
    override("--model.mean", "nan", "0", "0"),
    override("--model.std", "0", "0", "0"),
    override("--model.std", "-1", "1", "1"),
    override("--optimizer.name", "adan", said="'adam"),
    override("--optimizer.schedule", "polly", said="'poly'"),
    override("--optimizer.learning_rate", "0"),
    override("--optimizer.learning_rate", "-1"),
    override("--optimizer.learning_rate", "nan"),
    override("--optimizer.learning_rate", "inf"),
    override("--optimizer.learning_rate", "1e999"),
    override("--optimizer.momentum", "-1"),
    override("--optimizer.momentum", "2"),
    override("--optimizer.momentum", "nan"),
    override("--optimizer.weight_decay", "-1"),
    override("--optimizer.weight_decay", "inf"),
    override("--optimizer.power", "nan"),
    override("--optimizer.power", "-1"),
    override("--optimizer.warmup_steps", "-1"),
    override("--optimizer.warmup_steps", "1", said="not shorter than the run of"),
    override(
        "--optimizer.warmup_steps",
        "1.5",
        said="warmup_steps 1.5: must be a valid integer",
    ),
    override("--optimizer.warmup_steps", "nan"),
    override("--optimizer.final_learning_rate", "-1"),
    override("--optimizer.backbone_factor", "-1"),
    override("--optimizer.clip_norm", "0"),
    override("--optimizer.clip_norm", "-1"),
    override("--optimizer.clip_norm", "nan"),
    override("--evaluation.batch_size", "0"),
    override("--evaluation.scales", "0"),
    override("--evaluation.scales", "-1"),
    override("--evaluation.scales", "nan"),
    override("--evaluation.scales", "inf"),
    override("--evaluation.scales"),
    override("--evaluation.window", "5"),
    override("--evaluation.window", "-5"),
    override("--evaluation.crf", "-1"),
    override("--evaluation.crf", "1", "--evaluation.crf_stride", "0", said="crf"),
    override("--evaluation.size_multiple", "-1"),
    override("--evaluation.size_multiple", "1000000000"),
    override("--seed", "-1"),
    override("--seed", "99999999999999999999999"),
    override("--seed", "None"),
    override("--name", "../../escaped", said="name"),
    override("--name", "a/../../b", said="name"),
]
