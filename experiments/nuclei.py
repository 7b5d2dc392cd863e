"""Binary U-Net on microscope images of nuclei, from random weights.

Paper:    Ronneberger et al. 2015, arXiv:1505.04597, with ResNet-18 as encoder.
Data:     Data Science Bowl 2018, stage 1 (CC0), as train/images + train/masks and val
          likewise, masks of 0 and 1.  Give its folder as --data.root.
Hardware: 2 CPU cores.
Time:     not measured at full length.
Mean IoU: not measured at full length; the IoU of the nuclei is 0.749 on the validation
          images after --train.steps 300.
Command:  python main.py --config experiments/nuclei.py --data.root DIR
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
        data=DataConfig(
            name="folder",
            root="data/nuclei",
            task="binary",
            class_names=("background", "nucleus"),
        ),
        augment=AugmentConfig(
            crop=(192, 192), scale=(0.7, 1.4), max_class_share=1.0, rotation=20.0
        ),
        model=ModelConfig(head="unet", backbone="resnet18", width=0.5, channels=128),
        optimizer=OptimizerConfig(
            name="adamw",
            learning_rate=2e-3,
            weight_decay=1e-4,
            warmup_ratio=0.05,
            clip_norm=5.0,
            final_learning_rate=0.0,
        ),
        train=TrainConfig(
            steps=2000, batch_size=8, eval_every=500, checkpoint_every=500
        ),
        evaluation=EvaluationConfig(threshold="best", batch_size=8),
    )
