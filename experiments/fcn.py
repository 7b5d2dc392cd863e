"""FCN-8s on digit scenes.

Paper:    Long, Shelhamer & Darrell 2015, arXiv:1411.4038, on a narrow ResNet-18.
Data:     digit_scenes, made on the spot; 4000 training and 500 validation images.
Hardware: 2 CPU cores.
Time:     1 min 36 s, beside other work.
Mean IoU: 0.708 on the validation images.
Command:  python main.py --config experiments/fcn.py
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
            head="fcn8s",
            backbone="resnet18",
            width=0.5,
            max_channels=128,
            output_stride=16,
            dropout=0.0,
            auxiliary=True,
        ),
        optimizer=OptimizerConfig(
            name="adamw", learning_rate=3e-3, weight_decay=1e-4, final_learning_rate=0.0
        ),
        train=TrainConfig(
            steps=2000, batch_size=8, eval_every=1000, checkpoint_every=1000
        ),
        evaluation=EvaluationConfig(batch_size=25),
    )
