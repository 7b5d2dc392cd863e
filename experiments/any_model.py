"""Any head on any backbone, on digit scenes: name them on the command line.

Paper:    the model's; python main.py models lists them all.
Data:     digit_scenes, made on the spot; 4000 training and 500 validation images.
Hardware: 2 CPU cores, or any accelerator for the large ones.
Time:     the model's.
Mean IoU: the model's.
Command:  python main.py --config experiments/any_model.py --model.head pspnet
          --model.backbone densenet121 --name pspnet_densenet
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
        model=ModelConfig(head="fcn8s", backbone="resnet18"),
        optimizer=OptimizerConfig(
            name="adamw",
            learning_rate=1e-3,
            weight_decay=1e-4,
            warmup_ratio=0.05,
            final_learning_rate=0.0,
            clip_norm=1.0,
        ),
        train=TrainConfig(
            steps=2000, batch_size=8, eval_every=500, checkpoint_every=500
        ),
        evaluation=EvaluationConfig(batch_size=25),
    )
