"""DeepLabV3+ on digit scenes: the quick start.

Paper:    Chen et al. 2018, arXiv:1802.02611, on a narrow ResNet-18.
Data:     digit_scenes, made on the spot; 4000 training and 500 validation images.
Hardware: 2 CPU cores.
Time:     2 min 57 s.
Mean IoU: 0.836 on the validation images.
Command:  python main.py --config experiments/deeplab.py
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
        data=DataConfig(name="digit_scenes"),
        augment=AugmentConfig(
            crop=(96, 96),
            scale=(1.0, 1.0),
            max_class_share=1.0,
            flip=0.0,
            photometric=False,
        ),
        model=ModelConfig(
            head="deeplabv3plus",
            backbone="resnet18",
            width=0.5,
            max_channels=128,
            output_stride=8,
            channels=64,
            auxiliary=True,
            rates=(1, 2, 3),
            separable=False,
            dropout=0.0,
        ),
        optimizer=OptimizerConfig(
            name="adamw", learning_rate=3e-3, weight_decay=1e-4, final_learning_rate=0.0
        ),
        train=TrainConfig(
            steps=2000, batch_size=8, eval_every=500, checkpoint_every=500
        ),
        evaluation=EvaluationConfig(batch_size=25),
    )
