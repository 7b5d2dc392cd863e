"""DeepLabV3+ on CamVid, from random weights.

Paper:    Chen et al. 2018, arXiv:1802.02611.
Data:     CamVid, the SegNet split (367 / 101 / 233 images of 480x360, 11 classes, void
          ignored); research use. Give its folder as --data.root.
Hardware: written for one GPU of 16 GB.
Time:     not measured on a GPU; docs/results.md has a short run on 2 CPU cores.
Mean IoU: not measured at full length.
Command:  python main.py --config experiments/camvid_deeplab.py --data.root DIR
"""

from jaxseg import (
    AugmentConfig,
    Config,
    DataConfig,
    EvaluationConfig,
    ModelConfig,
    OptimizerConfig,
    TrainConfig,
)


def get_config() -> Config:
    """Return the experiment."""
    return Config(
        data=DataConfig(name="camvid", root="data/camvid"),
        augment=AugmentConfig(crop=(352, 352), scale=(0.5, 2.0)),
        model=ModelConfig(
            head="deeplabv3plus", backbone="resnet50", output_stride=16, auxiliary=True
        ),
        optimizer=OptimizerConfig(
            name="adamw",
            learning_rate=1e-3,
            weight_decay=1e-2,
            warmup_ratio=0.0125,
            clip_norm=5.0,
            final_learning_rate=1e-6,
        ),
        train=TrainConfig(
            steps=8000, batch_size=16, eval_every=1000, checkpoint_every=1000
        ),
        evaluation=EvaluationConfig(batch_size=8),
    )
